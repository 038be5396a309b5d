"""`confidante profile cohort`: whose popularity stands in this person's lists, and why."""

from confidante.cli.options import AsJson
from confidante.cli.profile.options import Folder, PassphraseFile, profile
from confidante.cli.terminal import examples, print_json, say


@profile.command(
    "cohort",
    epilog=examples(
        "confidante profile cohort", "confidante profile cohort --profile out/demo/profile --json"
    ),
)
def cohort_command(
    *, folder: Folder = None, passphrase_file: PassphraseFile = None, as_json: AsJson = False
) -> None:
    """Show whose popularity counts in your lists: the group that this device found, and told nobody.

    It follows from what you state (`confidante profile attributes`) and pick (`confidante profile welcome`).
    The tables of all groups come with the model: `confidante profile update`.
    """
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        found = device.cohorts.current
    if as_json:
        print_json({"cohort": found})
        return
    if found is None:
        say("there are no tables of groups here: what is popular with everyone is used")
        return
    say(f"{found.name}: about {found.size:.0f} devices (noise ± {found.error:.0f})")
    say(f"because {found.why}")
    if found.folded:
        say(f"your own group, {found.path[0]}, is too small for a table of its own")
    say("only this device knows: it fetches the tables of all groups, and picks one here")
