"""The log that replay is measured on is a real one: it verifies, folds and mirrors."""

from __future__ import annotations

from pathlib import Path

from bench.log_of_any_size import make
from fillwright.adapters.mirror.figures import figures
from fillwright.adapters.mirror.query import open_tables
from fillwright.adapters.mirror.writing import update
from fillwright.adapters.replay.rebuilding import rebuild
from fillwright.adapters.storage.log import Log
from fillwright.projections.canonical import to_json
from fillwright.projections.execution_quality import ExecutionQuality
from fillwright.projections.outcomes import GroupedQuality


def test_a_session_told_again_under_new_ids_is_a_log_like_any_other(tmp_path: Path) -> None:
    count = make(tmp_path / "log.db", 3_000)
    with Log.open(tmp_path / "log.db", writer=False) as log:
        assert log.head().position == count >= 3_000
        assert log.verify().ok
        views = rebuild(log, count)
        update(log, tmp_path / "mirror", segment_events=1_000)
        with open_tables(tmp_path / "mirror", None) as tables:
            found = figures(tables)
    limits, blotter, quality, _ = views.projections()
    assert isinstance(quality, ExecutionQuality)
    assert {row.state.value for row in views.blotter.rows()} == {"filled"}
    assert len(views.limits.sessions("sim")) > 2
    assert found.counters == dict(sorted(views.limits.counters().items()))
    whole = quality.summary()
    assert to_json(found.quality) == to_json(
        GroupedQuality(whole.overall, whole.by_strategy, whole.by_symbol)
    )
    assert {view.position for view in (limits, blotter, quality)} == {count}
