"""The blocks of a page that are run, and the pages that are refused."""

import pytest

from tools.readme_commands import Block, PageError, blocks_to_run, run

FENCE = "`" * 3


def page(info: str, *lines: str) -> str:
    return "\n".join(["Text.", "", FENCE + info, *lines, FENCE, ""])


def test_a_block_marked_run_is_a_script() -> None:
    (block,) = blocks_to_run("P.md", page("sh run", "cd docs", "ls"))
    assert block.script == "cd docs\nls"
    assert block.line == 3


def test_in_a_console_block_only_the_commands_are_run() -> None:
    (block,) = blocks_to_run("P.md", page("console run", "$ echo one", "one", "$ echo two", "two"))
    assert block.script == "echo one\necho two"


def test_a_block_marked_skip_and_one_of_another_language_are_left_alone() -> None:
    assert blocks_to_run("P.md", page("sh skip", "rm x") + page("python", "1 / 0")) == []


def test_a_shell_block_without_a_mark_is_refused() -> None:
    with pytest.raises(PageError, match=r"P\.md:3: mark the block"):
        blocks_to_run("P.md", page("console", "$ ls"))


def test_a_block_that_would_run_nothing_is_refused() -> None:
    with pytest.raises(PageError, match="holds no command"):
        blocks_to_run("P.md", page("console run", "ls"))


def test_a_block_that_is_never_closed_is_refused() -> None:
    with pytest.raises(PageError, match="never closed"):
        blocks_to_run("P.md", f"{FENCE}sh run\nls\n")


def test_a_fence_inside_a_longer_fence_is_text() -> None:
    quoted = f"`{FENCE}\n{FENCE}sh\nls\n{FENCE}\n`{FENCE}\n"
    assert blocks_to_run("P.md", quoted) == []


def test_a_block_fails_at_its_first_failing_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert not run(Block("P.md", 1, "sh", "run", "echo before; false; echo after"))
    printed = capsys.readouterr().out.split("--- printed:")[1]
    assert "before" in printed
    assert "after" not in printed


def test_a_block_finds_the_commands_of_the_environment() -> None:
    assert run(Block("P.md", 1, "sh", "run", "python -c 'import fillwright'"))


def test_lines_shown_as_printed_must_be_printed_however_they_are_spaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = page("text printed", "one  two", "...", "three")
    (block,) = blocks_to_run("P.md", page("sh run", "echo one two; echo 'three four'") + shown)
    assert block.printed == ("one  two", "three")
    assert run(block)
    (block,) = blocks_to_run("P.md", page("sh run", "echo one; echo three") + shown)
    assert not run(block)
    assert "not printed: one  two" in capsys.readouterr().out


def test_what_is_printed_by_nothing_is_refused() -> None:
    with pytest.raises(PageError, match=r"P\.md:3: no block is run"):
        blocks_to_run("P.md", page("text printed", "one"))
