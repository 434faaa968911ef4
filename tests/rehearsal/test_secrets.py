"""Promise 5: nothing leaks, whatever goes wrong, into any text, report or ledger."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.private import state_dir
from pipeline.cli.app import invoke
from sandbox.faults import Faults
from sandbox.icloud import ICloud
from tests.rehearsal.rig import ARGUMENTS, cloud

TROUBLE = (
    "flip_byte:0.2,cut_stream:0.2,error_body:0.2,gone:0.3,reset:0.1,error_item:0.1,"
    "unavailable:1x,throttled_inside_200:1x,expired_session:1x"
)
# What only Apple and the session may know: a signed address, its key and its signature.
SIGNED = re.compile(rb"icloud-content\.com[^\s\"']*[?&]|[?&](?:k|s|ckz)=|wrappingKey|dsid=")


def secrets(double: ICloud) -> set[bytes]:
    account = double.account
    kept = {account.password, *account.tokens, *account.trusts, *account.cookies}
    assert len(kept) > 2, "no session was made: proves nothing"
    return {secret.encode() for secret in kept}


def test_no_output_report_or_ledger_holds_a_secret(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def outpour(*arguments: str) -> bytes:
        invoke(arguments)
        said = capfdbinary.readouterr()
        return said.out + said.err

    folder = str(tmp_path / "Photos")
    faults = Faults.of(TROUBLE, seed=3)
    faults.retry_after = 0
    with cloud(20, faults) as double:
        monkeypatch.setenv("OUTPOUR_LIMITS__ATTEMPTS", "2")
        monkeypatch.setenv("OUTPOUR_DEBUG", "1")
        texts = {
            "--json": outpour(*ARGUMENTS, folder, "--json"),
            "run": outpour(*ARGUMENTS, folder),
        }
        known = secrets(double)
        victim = next(iter(double.library))
        signed = double.links.token(victim, victim.original, {"zoneName": "PrimarySync"})
        assert SIGNED.search(signed["downloadURL"].encode()), "would not be recognised"
        name = next(state_dir("pipelines").glob("*.sqlite")).stem
        assert sum(double.faults.counts.values()) > 20, "too little trouble: proves nothing"
        texts["report"] = outpour("report", name)
        texts["json report"] = outpour("report", name, "--json")
        page = tmp_path / "report.html"
        outpour("report", name, "--html", str(page))
        texts["page"] = page.read_bytes()
        texts["status"] = outpour("status", name)
        double.account.expire_sessions()
        double.account.locked = True
        texts["refused"] = outpour(*ARGUMENTS, folder)
    for path in state_dir("pipelines").rglob("*"):
        if path.suffix == ".sqlite" or path.name.endswith("-wal"):
            texts[path.name] = path.read_bytes()
    assert any(where.endswith(".sqlite") for where in texts)
    for where, text in texts.items():
        assert text, f"{where} is empty: proves nothing"
        assert not [secret for secret in known if secret in text], f"{where} holds a secret"
        assert not SIGNED.search(text), f"{where} holds a signed address: {SIGNED.search(text)}"
