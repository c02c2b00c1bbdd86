"""docs/scaling.md says what the model of bench/growth.py says."""

import dataclasses
import re
from pathlib import Path

from bench.growth import MEASURED, SIZES, YEARS_KEPT, Parameters, simulate, table

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "scaling.md").read_text()
PLAIN = Parameters(
    kept_bytes=5_000,
    event_bytes=4_000,
    answer_bytes=1_000,
    random_index_bytes=600,
    dump_bytes_per_second=10_000_000,
    restore_bytes_per_second=5_000_000,
    vacuum_bytes_per_second=20_000_000,
    enrollments_per_second_and_worker=1,
)


class TestThePage:
    def test_has_the_parameters_of_the_model(self) -> None:
        named = {
            name: int(value.replace(",", "")) for name, value in re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", PAGE, re.M)
        }

        assert named == dataclasses.asdict(MEASURED)

    def test_has_the_table_that_the_model_prints(self) -> None:
        assert table(MEASURED) in PAGE


class TestTheModel:
    def test_weighs_what_is_kept_the_events_of_a_month_and_the_answers_of_two_days(self) -> None:
        size = simulate(36_500_000, PLAIN)

        # 36.5 million x 5,000 bytes; a quarter of their events and 600,000 of this month; 40,000 answers
        assert size.disk_gb == 182.5 + (9_125_000 + 600_000) * 4_000 / 1e9 + 40_000 * 1_000 / 1e9
        assert size.memory_gb == 21.9

    def test_has_workers_for_the_busiest_hour(self) -> None:
        size = simulate(YEARS_KEPT * 9_000_000, PLAIN)

        assert size.peak_per_second == 5
        assert size.web_workers == 10

    def test_never_counts_on_a_single_worker(self) -> None:
        assert {
            simulate(size, dataclasses.replace(MEASURED, enrollments_per_second_and_worker=10_000)).web_workers
            for size in SIZES
        } == {2}
