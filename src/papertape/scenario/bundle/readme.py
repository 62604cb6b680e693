"""The page in a bundle that tells whoever gets it what it is."""

from __future__ import annotations

from papertape.scenario.bundle.manifest import JOURNAL, MANIFEST, RESULT, SCENARIO, SUFFIX, TAPES, Manifest


def readme(manifest: Manifest, *, is_source_in: bool) -> str:
    """The text of README.md; it does not name the bundle, so that the same run is the same bytes under any name."""
    removed = sum(member.removed for member in manifest.files.values())
    code = "its code" if is_source_in else "its code is an installed package's and not in here"
    parts = [
        f"# {manifest.title}",
        f"A run of papertape {manifest.papertape} on Python {manifest.python}: {manifest.status}.",
        *(f"- {failure}" for failure in manifest.failures),
        f"Run it again, with that version of papertape:\n\n    papertape run THIS{SUFFIX}",
        f"That checks every hash, runs what is in here, and says if the digest is another than\n`{manifest.digest}`.",
        "It runs the code that is packed here, as any Python does: run only what you trust.",
        "What is in it:",
        f"- `{SCENARIO}`: the scenario, every fault spelled out; unzipped, `papertape run {SCENARIO}` runs it as well\n"
        f"- `{TAPES}/`: the part of the market that it plays\n- {code}; files that it reads besides are not in here\n"
        f"- `{JOURNAL}`, `{RESULT}`: what happened, and what came of it\n- `{MANIFEST}`: versions, hashes and digests",
        f"{removed or 'No'} secret{'' if removed == 1 else 's'} {'was' if removed == 1 else 'were'} taken out before it was packed; look"
        " at what is left before you hand it on.",
    ]
    if manifest.caveat:
        parts.insert(2, f"But {manifest.caveat}.")
    return "\n\n".join(parts) + "\n"
