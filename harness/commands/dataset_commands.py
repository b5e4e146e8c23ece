"""`delm dataset` and `delm images`: the commands about instances and their images."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options
from harness.commands.options import given

images_app = typer.Typer(help="Docker images of instances.", no_args_is_help=True)
dataset_app = typer.Typer(help="Instances of your own.", no_args_is_help=True)


@dataset_app.callback()
def dataset() -> None:
    """Instances of your own."""


@dataset_app.command("check")
def dataset_check(
    file: Annotated[
        str,
        typer.Argument(
            help="A .jsonl, .json or .parquet file of rows, a .yaml file such as "
            "configs/datasets/sample.yaml, or a dataset's name."
        ),
    ],
    instance: options.CheckInstances = None,
    rows_only: Annotated[
        bool, typer.Option("--rows-only", help="Run no tests; the rows alone are looked at.")
    ] = False,
    workers: options.GradeWorkers = None,
    config: options.Specs = None,
    sandbox: options.SandboxKind = "",
) -> None:
    """Say what is missing, row by row; then run the gold patch and an empty one of each.

    Exit code 0: nothing is wrong; 1: a row is, or a patch does not do what it should; 2: it is no
    dataset.
    """
    from harness.commands.dataset import check

    flags = given(workers=workers, sandbox=given(kind=sandbox or None))
    raise typer.Exit(check(file, instance or [], config or [], flags, rows_only=rows_only))


@dataset_app.command("inject")
def dataset_inject(
    spec: Annotated[
        Path, typer.Argument(help="A .yaml file such as configs/datasets/injected-offline.yaml.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the result here. [default: SPEC itself]")
    ] = None,
    instance: options.Instances = None,
    workers: options.Workers = None,
    config: options.Specs = None,
    sandbox: options.SandboxKind = "",
) -> None:
    """Put faults of your own into releases: find the tests that see each one, and check it.

    Exit code 0: every instance can be used; 1: some cannot; 2: there is a mistake in the file.
    """
    from harness.commands.inject import inject

    flags = given(workers=workers, sandbox=given(kind=sandbox or None))
    raise typer.Exit(inject(spec, out, instance or [], config or [], flags))


@images_app.command("build")
def images_build(
    dataset: options.Dataset = "verified-offline",
    instance: options.ImageInstances = None,
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="A local image with python 3.11, git and patch to start from. [default: a minimal "
            "Debian, made with debootstrap as root]",
        ),
    ] = "",
) -> None:
    """Build the images of a dataset that can be rebuilt, without a registry."""
    from harness.commands.images import build

    build(dataset, instance or [], base)


@images_app.command("pull")
def images_pull(
    dataset: options.Dataset = "swe-bench-verified", instance: options.ImageInstances = None
) -> None:
    """Pull the official images of a dataset's instances."""
    from harness.commands.images import pull

    pull(dataset, instance or [])


@images_app.command("list")
def images_list() -> None:
    """List the instance images on this machine."""
    from harness.commands.images import show_all

    show_all()


@images_app.command("gc")
def images_gc() -> None:
    """Remove the images that this program built or pulled, and no others."""
    from harness.commands.images import collect

    collect()
