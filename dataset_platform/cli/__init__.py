"""The command line: ``dataset-platform demo | materialize | check | trace | show | read | upkeep | config``.

Work goes to stdout as a table (and, with ``--json``, one JSON object as the last line), progress and errors to stderr.
Exit code 0: all that was asked for was done and no ERROR check failed; 1: not so; 2: the command was written wrong.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dataset_platform.errors import PlatformError

app = typer.Typer(
    name="dataset-platform",
    help="Turn raw crawls, driving logs and questions into checked, traceable training data, day by day.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Partitions = Annotated[
    str,
    typer.Option("--partitions", "-p", metavar="A[:B]", help="UTC day, or first and last day: 2026-01-05:2026-01-06."),
]
Selection = Annotated[
    str,
    typer.Argument(
        metavar="[SELECTION]",
        help="Assets: keys or globs, comma separated ('web/*'), or Dagster's selection syntax ('key:\"web/documents\"+').",
    ),
]


@app.command(
    epilog="Examples:  dataset-platform materialize 'web/*' -p 2026-01-05:2026-01-06   ·   "
    "dataset-platform materialize tokens/manifest,tokens/mixtures"
)
def materialize(
    selection: Selection = "*",
    partitions: Partitions = "",
    only_stale: Annotated[
        bool, typer.Option("--only-stale", help="Leave days whose inputs, settings and code have not changed.")
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", metavar="USD", min=0, help="Stop before model calls cost more than this."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", min=0, help="Stop before model calls take more tokens.")
    ] = None,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade stored answers by the checkers in force; calls no model.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Materialize assets over a range of days, in order, in one process with one Spark session.

    Each day is a Dagster run of its own: a bad day fails alone. Assets without partitions run once, after the days they
    are made from.
    """
    from dataset_platform.cli.commands import MaterializeOptions, run_materialize

    options = MaterializeOptions(only_stale, regrade, max_cost, max_tokens)
    raise typer.Exit(run_materialize(selection, partitions, options, as_json))


@app.command(epilog="Example:  dataset-platform check 'web/*' -p 2026-01-05:2026-01-06")
def check(selection: Selection = "*", partitions: Partitions = "", as_json: Json = False) -> None:
    """Run asset checks on what lies in the lake now. Exit code 1 when a check of severity ERROR fails."""
    from dataset_platform.cli.commands import run_check

    raise typer.Exit(run_check(selection, partitions, as_json))


@app.command(
    epilog="Examples:  dataset-platform demo   ·   dataset-platform demo --input 's3://bucket/crawl/*.warc.gz' --day 2026-01-05"
)
def demo(
    input_: Annotated[
        str,
        typer.Option(
            "--input", "-i", metavar="PATH", help="Folder, glob or s3:// URL of WARC files or TFRecords of your own."
        ),
    ] = "",
    day: Annotated[str, typer.Option("--day", help="Day of files whose path carries no date; today by default.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Add to what the home holds instead of starting empty.")] = False,
    as_json: Json = False,
) -> None:
    """Run the whole graph once: on a sample made here, or on WARC files and TFRecords of your own.

    With --input the home is emptied first if an earlier demo filled it, so that the table shows your data alone.
    """
    from dataset_platform.cli.demo import run_demo

    raise typer.Exit(run_demo(input_, day, keep, as_json))


@app.command(epilog="Examples:  dataset-platform trace 5f1d…   ·   dataset-platform trace https://example.org/page")
def trace(
    target: Annotated[
        str,
        typer.Argument(
            metavar="DOC_ID|URL|TRACE_ID|QUESTION_ID|FRAME_ID",
            help="32 hex digits, a page's URL, data set/id, or a scenario or scenario:step.",
        ),
    ],
    show: Annotated[bool, typer.Option("--raw", help="Also print the head of the record's bytes.")] = False,
    as_json: Json = False,
) -> None:
    """Follow a document from token shard to raw bytes, or name the stage, rule and measure that dropped it.

    Of a question or a self-correction trace: the conversation, with what was judged and decided after each answer. Of a
    driving frame, scenario or reasoning trace: its record, and what each stage made of it.
    """
    from dataset_platform.cli.trace import run_trace

    raise typer.Exit(run_trace(target, show, as_json))


@app.command(
    epilog="Examples:  dataset-platform show synthetic-3f0c…   ·   dataset-platform show 637f20cafde22ff8:10 -o scene.png"
)
def show(
    target: Annotated[
        str,
        typer.Argument(metavar="SCENARIO_ID|FRAME_ID|TRACE_ID", help="A scenario, scenario:step, or 32 hex digits."),
    ],
    destination: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE.png", help="Where the picture goes; ID.png here by default.")
    ] = "",
    step: Annotated[
        int | None, typer.Option("--step", metavar="N", min=0, help="Another step of the scenario.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the picture, too.")] = False,
    as_json: Json = False,
) -> None:
    """Draw a driving scene from above: agents, lanes, lights, the logged future, and the trace's plan beside its text.

    Of a scenario the keyframe at its current step is drawn. A frame that is no keyframe is drawn without a trace.
    """
    from dataset_platform.cli.show import run_show

    raise typer.Exit(run_show(target, destination, step, open_it, as_json))


@app.command(
    epilog="Examples:  dataset-platform read driving/gold_features --day 2026-01-05 --as-of 3   ·   "
    "dataset-platform read driving/silver_frames --where-id 637f20cafde22ff8 --columns frame_id,ego_speed_mps"
)
def read(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Table, as lane/artifact: driving/gold_features.")],
    day: Annotated[str, typer.Option("--day", metavar="DAY", help="Rows of this day only.")] = "",
    as_of: Annotated[
        str,
        typer.Option("--as-of", metavar="VERSION|TIME", help="The table as it was: a version, or an ISO time (UTC)."),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most rows.")] = 20,
    columns: Annotated[str, typer.Option("--columns", metavar="A,B", help="Columns, comma separated.")] = "",
    where_id: Annotated[
        str, typer.Option("--where-id", metavar="ID", help="Rows of this row key, scenario, frame, trace or URL.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Print rows of a table, as it is or as it was at an earlier version."""
    from dataset_platform.cli.read import ReadOptions, run_read

    raise typer.Exit(run_read(table, ReadOptions(day, as_of, limit, columns, where_id), as_json))


@app.command(
    epilog="Examples:  dataset-platform upkeep --dry-run   ·   dataset-platform upkeep --table web/documents --retention-hours 48"
)
def upkeep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    table: Annotated[
        str, typer.Option("--table", metavar="TABLE", help="This table only, as lane/artifact: web/documents.")
    ] = "",
    retention_hours: Annotated[
        int | None,
        typer.Option(
            "--retention-hours", metavar="N", min=0, help="Keep replaced files this long, instead of the settings."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take a retention that is not safe while runs read and write.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge small files, checkpoint logs, delete replaced files past their retention, remove leftovers of killed runs.

    Rows do not change. A table that is being written is waited for, then left for the next time: exit code 1 then.
    """
    from dataset_platform.cli.upkeep import UpkeepOptions, run_upkeep

    raise typer.Exit(run_upkeep(UpkeepOptions(dry_run, table, retention_hours, force), as_json))


@app.command()
def config() -> None:
    """Print the settings in force as YAML: defaults, overlaid by the file that DATASET_PLATFORM_CONFIG names."""
    import yaml

    from dataset_platform.config import load_config

    typer.echo(yaml.safe_dump(load_config().model_dump(mode="json"), sort_keys=False), nl=False)


def main() -> None:
    """Entry point: expected errors become one line and exit code 1."""
    try:
        app()
    except PlatformError as e:
        print(f"error: {e.message}" + (f"\n  {e.hint}" if e.hint else ""), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; finished days are kept, run the command again to go on", file=sys.stderr)
        sys.exit(130)
