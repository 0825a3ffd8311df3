"""The command line: ``medcore serve | conditions | models | predict | evaluate | train | verify | bench | accounts``.

Results go to standard output, everything else to standard error. Exit code 0 = done, 1 = refused
with one sentence on standard error, 2 = the command was not understood. Heavy libraries are
imported inside the commands that need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from medcore import cli_access, cli_journal
from medcore.errors import ImageError, MedcoreError, TableError

__all__ = ["app", "main"]

app = typer.Typer(
    name="medcore",
    help="Clinical-AI models: calibrated, explained, and honest about when not to use them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_access.app, name="accounts")
cli_journal.mount(app)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
_Condition = Annotated[str, typer.Argument(metavar="CONDITION", help="One of: medcore conditions.")]
_Model = Annotated[
    str | None, typer.Option("--model", metavar="ID", help="One of: medcore models. [the default model]")
]


def main() -> NoReturn:
    """Run the command line; the entry point of the ``medcore`` script."""
    try:
        app()
    except MedcoreError as error:
        _say(f"medcore: {' '.join(error.message.split())}")
        sys.exit(1)
    sys.exit(0)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    demo: Annotated[bool, typer.Option("--demo", help="Made-up patients only, in a data folder of its own.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="With --demo: delete what the demo kept, begin anew.")] = False,
) -> None:
    """Open the dashboard in a browser at http://HOST:PORT."""
    from medcore.cli_access import print_password
    from medcore.cli_journal import print_recovery_key
    from medcore.services.serving import check_port, clear_demo, create_journal, exec_server
    from medcore.services.trust.entrance import create_first_administrator

    if demo:
        os.environ["MEDCORE_DEMO"] = "on"
    check_port(host, port)
    if fresh:
        clear_demo()
    recovery_key = create_journal()
    if recovery_key is not None:
        print_recovery_key(recovery_key)
    password = create_first_administrator()
    if password is not None:
        print_password(password)
        sys.stdout.flush()
    exec_server(host, port)


@app.command()
def conditions(as_json: _Json = False) -> None:
    """List the clinical questions and their fields."""
    from medcore.conditions.catalog import list_conditions, list_film_conditions
    from medcore.registry.manifest import describe_field

    rows: list[dict[str, Any]] = [
        {
            "id": item.id,
            "title": item.title,
            "kind": item.kind,
            "outcome": item.outcome,
            "fields": [describe_field(field) for field in item.schema.fields],
        }
        for item in list_conditions()
    ] + [
        {
            "id": item.id,
            "title": item.title,
            "kind": item.kind,
            "outcome": item.outcome,
            "fields": [],
            "classes": [{"code": c.code, "word": c.word, "label": c.label} for c in item.classes],
        }
        for item in list_film_conditions()
    ]
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        print(f"{row['id']}  {row['title']} ({row['kind']})")
        for field in row["fields"]:
            print("    " + _describe_field(field))


@app.command()
def models(as_json: _Json = False) -> None:
    """List the models that may be used, and name those that are refused."""
    from medcore.config import read_settings
    from medcore.registry import Catalog

    catalog = Catalog(read_settings().models_dir)
    for error in catalog.problems.values():
        _say(f"refused: {error.message}")
    facts = catalog.models()
    if as_json:
        _print_json([_describe_model(item) for item in facts])
        return
    for item in facts:
        auroc = item.metrics.get("auroc")
        figures = f"AUROC {auroc.value:.3f} ({auroc.lo:.3f}-{auroc.hi:.3f})" if auroc else ""
        mark = "*" if item.default else " "
        print(f"{mark} {item.model_id:34} {item.condition:16} v{item.version}  {item.sha256[:12]}  {figures}".rstrip())


@app.command()
def predict(
    condition: _Condition,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV files, one patient a row; films, or folders of films.")
    ],
    model: _Model = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add the contribution of each field (not for films).")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="CSV", help="Write a CSV file instead of printing.")] = None,
    as_json: _Json = False,
) -> None:
    """Score every row of CSV files, or every film; what cannot be read is reported and the rest is scored."""
    _quiet_tensorflow()
    from medcore.conditions.catalog import kind_of

    if kind_of(condition) == "image":
        _predict_films(condition, files, model, out, as_json)
    else:
        _predict_rows(condition, files, model, explain, out, as_json)


@app.command()
def evaluate(
    condition: _Condition,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR", help="CSV file with a column 'label' (0 or 1); for films a folder, DIR/<class>/*."
        ),
    ],
    model: _Model = None,
    as_json: _Json = False,
) -> None:
    """Measure a model on labelled data: every metric with its 95 % interval."""
    _quiet_tensorflow()
    from medcore.conditions.catalog import kind_of
    from medcore.services.training.evaluation import evaluate_file, evaluate_films

    about_films = kind_of(condition) == "image"
    report = (evaluate_films if about_films else evaluate_file)(condition, file, model_id=model)
    if as_json:
        _print_json(report)
        return
    unit = "films" if about_films else "patients"
    print(f"{report['model']} on {report['n']} {unit}, {report['n_pos']} with the outcome")
    for name, metric in report["metrics"].items():
        print(f"{name:24} {_show(metric['value'])}  ({_show(metric['lo'])} to {_show(metric['hi'])})")


@app.command()
def train(
    condition: _Condition,
    model: Annotated[str | None, typer.Option("--model", metavar="RECIPE", help="One recipe. [all of them]")] = None,
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Folder of the public data sets.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the bundles.")] = None,
    study_intervals: Annotated[
        int, typer.Option(min=0, metavar="N", help="First measure the interval's coverage in N simulated studies.")
    ] = 0,
    checkpoints: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Film models: keep the state of every epoch, and go on from it.")
    ] = None,
) -> None:
    """Train, calibrate, evaluate and write the bundles of a condition."""
    _quiet_tensorflow()
    from medcore.config import read_settings
    from medcore.services.training import interval_study, training

    settings = read_settings()
    if study_intervals:
        interval_study.study_intervals(
            condition,
            recipe=model,
            data_dir=data or settings.training_data_dir,
            n_studies=study_intervals,
            seed=seed,
            progress=_say,
        )
    training.train(
        condition,
        recipe=model,
        data_dir=data or settings.training_data_dir,
        seed=seed,
        models_dir=out or settings.models_dir,
        progress=_say,
        checkpoints=checkpoints,
    )


@app.command()
def study(
    condition: _Condition,
    model: Annotated[str | None, typer.Option("--model", metavar="RECIPE", help="One recipe.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Folder of the public data sets.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the bundles, where it is written.")] = None,
) -> None:
    """Measure what blanks cost, how recipes do on a group they never saw, and with fewer patients."""
    _quiet_tensorflow()
    from medcore.conditions.catalog import kind_of
    from medcore.config import read_settings
    from medcore.services.compare.film_studies import study_film_models
    from medcore.services.compare.studies import STUDIED_RECIPES, run_study

    settings = read_settings()
    if kind_of(condition) == "image":
        study_film_models(
            condition,
            data_dir=data or settings.training_data_dir,
            models_dir=out or settings.models_dir,
            progress=_say,
        )
        return
    run_study(
        condition,
        recipes=(model,) if model else STUDIED_RECIPES,
        data_dir=data or settings.training_data_dir,
        models_dir=out or settings.models_dir,
        seed=seed,
        progress=_say,
    )


@app.command()
def verify(as_json: _Json = False) -> None:
    """Check the hashes and self-tests of all bundles, and the audit chain of the journal."""
    _quiet_tensorflow()
    from medcore.services.verification import verify_all

    checks = verify_all()
    if as_json:
        _print_json([{"name": item.name, "ok": item.ok, "detail": item.detail} for item in checks])
    else:
        for item in checks:
            print(f"{'ok     ' if item.ok else 'REFUSED'} {item.name}  {item.detail}".rstrip())
    bad = [item.name for item in checks if not item.ok]
    if bad:
        raise MedcoreError(f"{len(bad)} of {len(checks)} checks failed: {', '.join(bad)}.")


@app.command(name="explain-cohort")
def explain_cohort(
    condition: _Condition,
    model: _Model = None,
    every: Annotated[bool, typer.Option("--all", help="Every model of the condition.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="[assets/explanations]")] = None,
) -> None:
    """Explain a model on its made-up patients for the explore page, once for all who open it."""
    _quiet_tensorflow()
    from medcore.services.explore.explore_store import explain_made_up

    for path in explain_made_up(condition, model, every=every, out=out, report=_say):
        print(path)


@app.command()
def bench(
    as_json: _Json = False,
    only: Annotated[str | None, typer.Option(metavar="GROUP", help="Only groups whose name holds this word.")] = None,
    history: Annotated[Path | None, typer.Option(metavar="FILE", help="Also add the figures to this file.")] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="OLD NEW", help="Measure nothing; compare the last runs of two histories."),
    ] = None,
) -> None:
    """Measure speed, each figure beside its baseline from the same run and its target."""
    from medcore.services.bench.history import append_history, compare_runs, describe_run, read_last_run

    if compare is not None:
        _print_changes(compare_runs(*map(read_last_run, compare)), as_json)
        return
    _quiet_tensorflow()
    from medcore.services.bench.bench import run_bench

    run = describe_run()

    def keep(rows: Sequence[dict[str, Any]]) -> None:
        if history is not None:
            append_history(history, rows, run)
        if not as_json:
            _print_figures(rows)

    rows = run_bench(only=only, report=_say, keep=keep)
    if as_json:
        _print_json(rows)


def _print_figures(rows: Sequence[dict[str, Any]]) -> None:
    """Print one line a figure: value, ratio to its baseline, target met or missed."""
    for row in rows:
        value = row["reason"] if row["value"] is None else f"{_show(row['value'])} {row['unit']}"
        beside = "" if row["ratio"] is None else f"  {_show(row['ratio'])} x {row['baseline_name']}"
        verdict = "" if row["met"] is None else f"  [{row['target']}: {'met' if row['met'] else 'MISSED'}]"
        print(f"{row['name']:64} {value}{beside}{verdict}", flush=True)


def _print_changes(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print how figures changed between two runs."""
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        relative = "" if row["relative_change"] is None else f"  beside its baseline {_show(row['relative_change'])} x"
        values = f"{_show(row['before'])} -> {_show(row['after'])} {row['unit']}"
        change = "" if row["change"] is None else f"  {_show(row['change'])} x"
        print(f"{row['name']:64} {values}{change}{relative}")


def _predict_rows(
    condition: str, files: Sequence[Path], model: str | None, explain: bool, out: Path | None, as_json: bool
) -> None:
    """Score the rows of CSV files."""
    from medcore.services.training import cohort

    counts = cohort.Counts()
    problems: list[MedcoreError] = []
    with ExitStack() as stack:
        opened = stack.enter_context(cohort.open_cohort(condition, model_id=model))
        send = _open_sinks(stack, out, as_json, opened.condition.schema.input_names if explain else ())
        for file in files:
            try:
                for rows in opened.score(file, explain=explain, counts=counts, note=_say):
                    send(rows if len(files) == 1 else [{"file": file.name, **row} for row in rows])
            except TableError as error:
                problems.append(error)
    if counts:
        _say(str(counts))
    if problems:
        raise problems[0]
    if not counts.n_usable:
        raise TableError("no row could be read: see the error of each row")


def _predict_films(condition: str, sources: Sequence[Path], model: str | None, out: Path | None, as_json: bool) -> None:
    """Score films and folders of films."""
    from medcore.services.training import film_cohort
    from medcore.services.training.cohort import Counts

    counts = Counts()
    films = film_cohort.find_films(sources)
    with ExitStack() as stack:
        opened = stack.enter_context(film_cohort.open_film_cohort(condition, model_id=model))
        send = _open_sinks(stack, out, as_json)
        for rows in opened.score(films, counts=counts):
            send(rows)
    _say(str(counts).replace("rows", "films", 1))
    if not counts.n_usable:
        raise ImageError("no film could be read: see the error of each film")


def _open_sinks(
    stack: ExitStack, out: Path | None, as_json: bool, names: Sequence[str] = ()
) -> Callable[[Sequence[dict[str, Any]]], None]:
    """Return what takes finished rows: a CSV file, JSON on standard output, or lines to read."""
    from medcore.services.training import cohort

    sinks: list[cohort.RowSink] = [stack.enter_context(cohort.write_csv(out, names))] if out else []
    if as_json:
        sinks.append(stack.enter_context(_print_array()))
    elif not out:
        sinks.append(_print_rows)

    def send(rows: Sequence[dict[str, Any]]) -> None:
        for sink in sinks:
            sink(rows)

    return send


def _describe_field(field: dict[str, Any]) -> str:
    if field["choices"]:
        allowed = " | ".join(choice["word"] for choice in field["choices"])
    elif field["possible"]:
        allowed = "{:g} to {:g}".format(*field["possible"])
    else:
        allowed = "any number"
    units = " or ".join(unit for unit in (field["unit"], *field["other_units"]) if unit)
    required = ", required" if field["required"] else ""
    return f"{field['name']}: {allowed} {units}".rstrip() + required


def _describe_model(facts: Any) -> dict[str, Any]:
    return {
        "id": facts.model_id,
        "condition": facts.condition,
        "default": facts.default,
        "kind": facts.kind,
        "recipe": facts.recipe,
        "title": facts.title,
        "version": facts.version,
        "sha256": facts.sha256,
        "created": facts.created,
        "trained_on": dict(facts.trained_on),
        "n_train": facts.n_train,
        "metrics": {
            name: {"value": metric.value, "lo": metric.lo, "hi": metric.hi} for name, metric in facts.metrics.items()
        },
    }


def _print_json(value: Any) -> None:
    print(json.dumps(_plain(value), ensure_ascii=False, indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    """Replace what JSON cannot hold: NaN and infinities become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def _print_array() -> Iterator[Any]:
    """Print rows as one JSON array while they come; nothing at all if none comes."""
    printed = False

    def sink(rows: Sequence[dict[str, Any]]) -> None:
        nonlocal printed
        for row in rows:
            print("[" if not printed else ",")
            print(json.dumps(_plain(row), ensure_ascii=False, allow_nan=False), end="")
            printed = True

    yield sink
    if printed:
        print("\n]")


def _print_rows(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        numbers = "" if row.get("p") is None else f"{row['p']:.3f} ({row['lo']:.3f}-{row['hi']:.3f})"
        words = row.get("error") or " ".join(reason["text"] for reason in row["reasons"])
        print(f"{row['id']:>8}  {row['status']:8}  {numbers:20}  {words}".rstrip())


def _quiet_tensorflow() -> None:
    """Keep TensorFlow's start-up notes off standard error; its numbers and threads are those of the model process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _show(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
