"""Which skips a run is failed for."""

from pathlib import Path

import pytest

from tools.check_skips import main

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_one"/>
<testcase classname="tests.a" name="test_two">
  <skipped type="pytest.skip" message="shared data not present: ../shared"/></testcase>
<testcase classname="tests.a" name="test_three">
  <skipped type="pytest.xfail" message="shared data are odd"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def report(tmp_path: Path) -> str:
    path = tmp_path / "junit.xml"
    path.write_text(REPORT, encoding="utf-8")
    return str(path)


def test_a_skip_is_let_through_where_its_reason_is_not_forbidden(report: str) -> None:
    assert main([report]) == 0
    assert main([report, "browser"]) == 0


def test_a_skip_with_a_forbidden_reason_fails_and_is_named(
    report: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([report, "Shared data"]) == 1
    named = capsys.readouterr().err
    assert "tests.a::test_two" in named
    assert "test_three" not in named
