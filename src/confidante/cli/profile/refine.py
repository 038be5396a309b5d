"""`confidante profile refine ...`: have lists refined by a server that cannot read what it is asked."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from confidante.cli.options import AsJson
from confidante.cli.profile.options import Folder, PassphraseFile, profile
from confidante.cli.terminal import examples, iso_time, print_json, read_file, say, time_words

if TYPE_CHECKING:
    from confidante.device.refinement.download_policy import Decision
    from confidante.device.refinement.status import RefinementStatus

refine = typer.Typer(
    help="Have lists refined by a server that knows more, and cannot read what it is asked.",
    no_args_is_help=True,
)
profile.add_typer(refine, name="refine")

SETUP_EXAMPLES = examples(
    "confidante profile refine setup https://sums.example.org films --relay https://relay.example.net",
    "confidante profile refine setup https://sums.example.org films --policy download",
)


@refine.command("setup", epilog=SETUP_EXAMPLES)
def setup(
    url: Annotated[str, typer.Argument(help="Address of the coordinator, https.")],
    population: Annotated[str, typer.Argument(help="Name of the population.")],
    *,
    relay: Annotated[
        str | None,
        typer.Option(help="Address of a relay, best of somebody else than who runs the coordinator."),
    ] = None,
    direct: Annotated[
        bool,
        typer.Option("--direct", help="Without a relay: the server then sees this device's network address."),
    ] = False,
    policy: Annotated[
        str, typer.Option(help="auto (whatever takes fewer bytes), ask, or download.")
    ] = "auto",
    seconds: Annotated[float, typer.Option(help="What one refinement may take.")] = 2.0,
    epsilon: Annotated[
        float,
        typer.Option(
            help="Epsilon that each question may spend on choosing a bucket; 0 asks about all items."
        ),
    ] = 0.0,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once", help="Ask right after a refresh, too: the server can tell by the time who asks."
        ),
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate to trust in place of the system's.")
    ] = None,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Choose the server that lists are refined with. Nothing is sent by this.

    Then switch it on (`confidante profile switch refine on`) and fetch what it takes (`confidante profile
    refine refresh`).
    """
    from confidante.cli.profile.opening import open_profile

    trusted = "" if certificate is None else read_file(certificate).strip().decode("ascii", "replace")
    with open_profile(folder, passphrase_file) as device:
        device.refinement.use(
            url,
            population,
            relay=relay,
            direct=direct,
            policy=policy,
            seconds=seconds,
            epsilon=epsilon,
            certificates=trusted,
            at_once=at_once,
        )
        status = device.refinement.status()
    _show(status, as_json=as_json)


@refine.command("refresh", epilog=examples("confidante profile refine refresh"))
def refresh(
    *,
    patience: Annotated[float, typer.Option(min=1.0, help="Time limit in seconds.")] = 60.0,
    invitation: Annotated[
        Path | None, typer.Option(help="File with the invitation, where the coordinator asks for one.")
    ] = None,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch what is new: the server's items and what a question needs, or its vectors.

    The coordinator sees that somebody fetches it. Do it now and then, not right before a question: nothing is
    asked for 2 to 10 minutes from then on.
    """
    from confidante.cli.profile.opening import open_profile
    from confidante.device.federation.wallet import Evidence

    evidence = None if invitation is None else Evidence("invitation", read_file(invitation).strip())
    with open_profile(folder, passphrase_file) as device:
        status = device.refinement.refresh(patience=patience, evidence=evidence)
    _show(status, as_json=as_json)


@refine.command("status", epilog=examples("confidante profile refine status --json"))
def status_command(
    *, folder: Folder = None, passphrase_file: PassphraseFile = None, as_json: AsJson = False
) -> None:
    """Show the state of refining: its relay, its bytes, how the last question ended."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        status = device.refinement.status()
    _show(status, as_json=as_json)


@refine.command("off", epilog=examples("confidante profile refine off"))
def off(*, folder: Folder = None, passphrase_file: PassphraseFile = None, as_json: AsJson = False) -> None:
    """Stop refining lists, and erase what was fetched for it. Items that came with it stay."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        device.refinement.use(None)
        status = device.refinement.status()
    _show(status, as_json=as_json)


def _show(status: "RefinementStatus", *, as_json: bool) -> None:
    if as_json:
        print_json(as_values(status))
        return
    for line in lines(status):
        say(line)


def as_values(status: "RefinementStatus") -> dict[str, Any]:
    """Return a status as JSON values."""
    times = {
        name: None if at is None else iso_time(at)
        for name, at in (("prepared_at", status.prepared_at), ("not_before", status.not_before))
    }
    return {**asdict(status), **times, "set_up": status.set_up}


def lines(status: "RefinementStatus") -> list[str]:
    """Return a status as lines for a person."""
    switch = "on" if status.allowed else "off (`confidante profile switch refine on`)"
    if not status.set_up:
        found = ["No list is refined: there is no server for it.", f"switch: {switch}"]
    else:
        through = status.relay or ("nobody: the server sees this device" if status.direct else "nobody")
        found = [
            f"server: {status.server}, population {status.population}",
            f"questions go through: {through}",
            f"switch: {switch}",
        ]
        if status.warning:
            found.append(f"WARNING {status.warning}")
        found += _prepared(status)
    found.append(
        f"asked so far: {status.asked:,} questions, {status.up:,} bytes up, {status.down:,} bytes down"
    )
    if status.last is not None:
        last = status.last
        what = "refined" if last.reason is None else f"not refined ({last.reason.value}): {last.said}"
        found.append(f"last: {time_words(last.at)}, {what}, {last.seconds:.2f} s")
    return found


def _prepared(status: "RefinementStatus") -> list[str]:
    if status.prepared_at is None or status.decision is None:
        return ["Nothing is fetched yet: `confidante profile refine refresh`."]
    found = [
        f"fetched: {time_words(status.prepared_at)}, {status.items:,} items, {status.dimensions} columns"
        + (f", {status.buckets} buckets" if status.buckets else "")
    ]
    if status.tokens is not None:
        found.append(f"tokens left: {status.tokens}")
    if status.not_before is not None:
        found.append(f"nothing is asked before {time_words(status.not_before)}: the server saw this device")
    if status.epsilon:
        found.append(f"each question spends epsilon {status.epsilon:g} on choosing a bucket")
    return found + _figures(status.decision)


def _figures(decision: "Decision") -> list[str]:
    many = decision.break_even > 1
    return [
        f"policy: {decision.way.value}. {decision.why}",
        f"  one question: {decision.question:,} bytes up, {decision.answer:,} bytes down",
        f"  in {decision.days:.1f} days: {decision.ask:,} bytes for about {decision.expected:.1f} questions, "
        f"{decision.download:,} bytes for downloading",
        "  downloading takes no more from "
        + (f"{decision.break_even:,} questions on" if many else "the first question on"),
    ]
