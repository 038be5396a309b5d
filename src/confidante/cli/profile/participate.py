"""`confidante profile participate` and `confidante profile rounds`: a device in private sums."""

import math
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from confidante.cli.options import AsJson, Limit
from confidante.cli.profile.options import Folder, PassphraseFile, profile
from confidante.cli.terminal import examples, iso_time, print_json, read_file, say, say_aside, time_words
from confidante.core.errors import DataError
from confidante.privacy.limits import LEAST_COLLUSION, LEAST_DEVICES, LEAST_DROPOUT, LEAST_NOISE

if TYPE_CHECKING:
    from confidante.device.federation.background import Background, BackgroundState
    from confidante.device.federation.eligibility import EligibilityCheck
    from confidante.device.federation.policy import Outcome

NOTHING_NOW, NO_SUM = 3, 4
"""Exit codes: this was no time for it, or no round came; the round that this device was in gave no sum."""

_TOLD = {
    "not now": "Not now: {}.",
    "not chosen": "No round was held in the time given. Nothing of yours was sent.",
    "published": "Done: the sum is published. What left is listed by `confidante profile left`.",
    "aborted": "The round ended without a sum: {}.",
    "left": "This device left the round: {}.",
    "unknown": "All was sent; how the round ended was not learnt: {}.",
}

EXIT_CODES = """

[bold]Exit codes[/bold]

0 the sum is published; 2 something has to be mended, such as a switch that is off; 3 not now, or no round;
4 the round gave no sum
"""


@profile.command(
    "participate",
    epilog=examples(
        "confidante profile participate https://sums.example.org films",
        "confidante profile participate https://sums.example.org films -p me --background --hours 22-6",
    )
    + EXIT_CODES,
)
def participate_command(
    url: Annotated[str, typer.Argument(help="Address of the coordinator, https.")],
    population: Annotated[str, typer.Argument(help="Name of the population.")],
    *,
    folder: Folder = None,
    background: Annotated[
        bool,
        typer.Option("--background/--once", help="Go on until Ctrl-C, a few rounds a day; or one round."),
    ] = False,
    patience: Annotated[
        float, typer.Option(min=1.0, help="Time limit in seconds for one round, including the wait for it.")
    ] = 600.0,
    rounds_a_day: Annotated[int, typer.Option(min=1, help="Most rounds in 24 hours.")] = 4,
    any_network: Annotated[bool, typer.Option("--any-network", help="On a metered network, too.")] = False,
    any_power: Annotated[bool, typer.Option("--any-power", help="On battery, too.")] = False,
    any_load: Annotated[bool, typer.Option("--any-load", help="While the device is busy, too.")] = False,
    hours: Annotated[
        str | None, typer.Option(metavar="FROM-TO", help="Only between these hours of the day, like 22-6.")
    ] = None,
    least_devices: Annotated[
        int, typer.Option(min=2, help="Refuse rounds of fewer devices.")
    ] = LEAST_DEVICES,
    least_noise: Annotated[
        float, typer.Option(min=0.0, help="Refuse sums with a smaller noise multiplier.")
    ] = LEAST_NOISE,
    least_collusion: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Refuse rounds that are safe only from a smaller fraction of colluders."
        ),
    ] = LEAST_COLLUSION,
    least_dropout: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Refuse rounds that fail when a smaller fraction drops out."),
    ] = LEAST_DROPOUT,
    small: Annotated[bool, typer.Option("--small", help="Take on short vectors only.")] = False,
    invitation: Annotated[
        Path | None, typer.Option(help="File with the invitation, where the coordinator asks for one.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate to trust in place of the system's.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Take part in secure sums: your numbers leave clipped, noised and masked, and only sums are opened.

    Needs a switch that is on (`confidante profile switch train on`) and budget that is left. A round that was
    cut off goes on from where it was.
    """
    from confidante.cli.profile.opening import open_profile
    from confidante.device.federation.background import Pace
    from confidante.device.federation.policy import ParticipationPolicy
    from confidante.device.federation.wallet import Evidence
    from confidante.wire.rounds import Tier

    tls = None if certificate is None else trusting(certificate)
    evidence = None if invitation is None else Evidence("invitation", read_file(invitation).strip())
    terms = ParticipationPolicy(
        least_noise=least_noise,
        least_devices=least_devices,
        least_collusion=least_collusion,
        least_dropout=least_dropout,
        tier=Tier.SMALL if small else Tier.LARGE,
    )
    dropped = {"network": any_network, "power": any_power, "idle": any_load}
    probes = _probes(folder, {name for name, wanted in dropped.items() if wanted}, hours)
    with open_profile(folder, passphrase_file) as device:
        if background:
            state = _watch(
                device.federation.participate_in_background(
                    url,
                    population,
                    terms,
                    pace=Pace(patience=patience, rounds_a_day=rounds_a_day),
                    eligibility=probes,
                    evidence=evidence,
                    tls=tls,
                )
            )
            if state.problem:  # nobody closed it
                raise typer.Exit(1)
            return
        outcome = device.federation.participate(
            url,
            population,
            terms,
            patience=patience,
            eligibility=probes,
            evidence=evidence,
            tls=tls,
            say=say_aside,
        )
    if as_json:
        print_json(_outcome(outcome))
    else:
        say(_told(outcome))
    if outcome.state != "published":
        raise typer.Exit(NOTHING_NOW if outcome.state in ("not now", "not chosen") else NO_SUM)


@profile.command(
    "rounds",
    epilog=examples("confidante profile rounds -n 10", "confidante profile rounds -p my-profile --json"),
)
def rounds_command(
    *,
    folder: Folder = None,
    limit: Limit = 50,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """List the rounds that this device was in, how each ended here, and what it cost of the budget."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        joined, budget = device.ledger.rounds.joined(limit), device.ledger.budget()
    if as_json:
        print_json(
            {
                "rounds": [
                    {
                        "round": one.id.hex(),
                        "task": one.task,
                        "at": iso_time(one.at),
                        "state": one.state,
                        "epsilon": one.epsilon if one.state == "spent" else 0.0,
                        "delta": one.delta if one.state == "spent" else 0.0,
                    }
                    for one in joined
                ],
                "epsilon_spent": budget.epsilon_spent,
                "epsilon_limit": _finite(budget.epsilon_limit),
                "delta": budget.delta,
            }
        )
        return
    if not joined:
        say("This device was in no private sum.")
    for one in joined:
        cost = f"epsilon {one.epsilon:.3g} by itself" if one.state == "spent" else "cost nothing"
        say(f"{time_words(one.at)}  {one.id.hex()[:12]}  {one.task}: {_STATES[one.state]}, {cost}")
    say(f"all together: epsilon {budget.epsilon_spent:.3g} of {budget.epsilon_limit:.3g} spent")


_STATES = {"joined": "it goes on", "spent": "your vector was given", "over": "left before anything was given"}


def _watch(background: "Background") -> "BackgroundState":
    """Say what a background participant does until it is interrupted, and return how it ended by itself."""
    before = None
    while True:
        state = background.state
        now = (state.doing, state.problem, state.last)
        if now != before:
            before = now
            say_aside(_standing(state))
        if not state.running:
            return state
        time.sleep(0.2)


def _standing(state: "BackgroundState") -> str:
    parts = [state.doing]
    if state.problem:
        parts.append(state.problem)
    elif state.last is not None and state.next_try is not None:
        parts.append(_told(state.last))
    if state.next_try is not None:
        parts.append(f"next try at {time_words(state.next_try)} UTC")
    return "; ".join(parts)


def _told(outcome: "Outcome") -> str:
    return _TOLD[outcome.state].format(outcome.why or "no reason was given")


def _outcome(outcome: "Outcome") -> dict[str, Any]:
    return {
        "state": outcome.state,
        "why": outcome.why,
        "round": None if outcome.round is None else outcome.round.hex(),
        "probes": {
            one.name: {"state": one.verdict.state, "why": one.verdict.why} for one in outcome.findings
        },
    }


def _probes(folder: Path | None, dropped: set[str], hours: str | None) -> "list[EligibilityCheck]":
    from confidante.cli.profile.opening import default_profile
    from confidante.device.federation.eligibility import Hours, usual

    probes: list[EligibilityCheck] = [
        probe for probe in usual(default_profile() if folder is None else folder) if probe.name not in dropped
    ]
    if hours is not None:
        first, dash, last = hours.partition("-")
        try:
            probes.append(Hours(float(first), float(last if dash else "")))
        except ValueError:
            raise DataError(f"{hours!r} is not a span of hours: write it like 22-6") from None
    return probes


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return what trusts the certificate in a PEM file, and no other; DataError when it is none."""
    try:
        return ssl.create_default_context(cafile=str(certificate))
    except OSError as error:  # an SSLError as well
        raise DataError(f"is not a certificate that can be trusted ({error})", path=certificate) from None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
