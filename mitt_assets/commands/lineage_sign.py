"""``mitt lineage keygen`` and ``mitt lineage sign``: vouch for what is current."""

from __future__ import annotations

from pathlib import Path

import click

from mitt_assets.commands.options import STUDY

KEY_FILE = "mitt-signing.pem"


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=KEY_FILE,
    show_default=True,
    help="Where the private key goes; the public one goes beside it.",
)
def keygen(out: Path) -> None:
    """Make an ed25519 key pair: OUT, which only you may read, and OUT with .pub.pem.

    Keep the private key away from the study: whoever has both can sign a rewrite.

    \b
    mitt lineage keygen --out ~/.config/mitt/me.pem
    """
    from mitt_assets.lineage.signing import generate, key_id, public_key

    private, public = generate(out)
    click.echo(f"private key {private} (mode 0600)")
    click.echo(f"public key  {public}")
    click.echo(f"key id      {key_id(public_key(public))}")


@click.command()
@STUDY
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Your private key (PEM), as `mitt lineage keygen` made it.",
)
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
def sign(study: str | None, key_file: Path, limit: int | None) -> None:
    """Sign the statement root of everything current, after hashing all of it again.

    Nothing is signed if the bytes or records are not what they were. What is signed is kept by
    `mitt gc`; whoever has the public key can audit it.

    \b
    mitt lineage sign --key ~/.config/mitt/me.pem
    mitt lineage audit --key ~/.config/mitt/me.pub.pem
    """
    from mitt_assets.errors import IntegrityError
    from mitt_assets.home import Home, open_maker
    from mitt_assets.lineage.audit import audit_store
    from mitt_assets.lineage.signing import private_key
    from mitt_assets.lineage.signing import sign as sign_store

    key = private_key(key_file)
    maker = open_maker(study, limit)
    findings = audit_store(Home(maker.graph.study).path)
    if findings:
        first = findings[0]
        raise IntegrityError(
            f"{len(findings)} findings, the first in {first.place}: {first.found}. Nothing was "
            "signed; see them all with: mitt lineage audit"
        )
    name = sign_store(maker.store, key)
    click.echo(f"content root   {maker.store.content_root()}")
    click.echo(f"statement root {maker.store.statement_root()}")
    click.echo(f"signed: store/{name}")
