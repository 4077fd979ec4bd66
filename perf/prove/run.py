"""The run of a proof: its commands, its cells, then what a running server and its jobs show."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx

from harness.process import ProcessError
from pawfect import __version__
from pawfect.profile import Profile
from pawfect.weights.store import Store
from pawfect_triton.overrides import Overrides
from perf.audit import stages
from perf.audit.__main__ import check_weights, run_note
from perf.audit.cells import Cell, cells_of
from perf.audit.journal import Journal
from perf.audit.report import read_run
from perf.audit.server import AuditServer
from perf.audit.sessions import Session
from perf.bench.configs import load_configs
from perf.prove import checks, jobs, live
from perf.prove.evidence import Evidence
from perf.prove.plan import Plan
from perf.prove.preflight import Card, ProofError
from perf.prove.steps import Steps

SERVED: Final = ("live", "jobs", "without")


@dataclass(frozen=True)
class Proof:
    """One proof.

    Attributes:
        profile: whose.
        plan: what is run.
        session: on what.
        card: where.
        folder: where it is kept; one that has a journal is gone on with.
        command: by which anyone repeats it.
        say: takes a line for people.
    """

    profile: Profile
    plan: Plan
    session: Session
    card: Card
    folder: Path
    command: str
    say: Callable[[str], None]

    def run(self, store: Store) -> Evidence:
        """Run what the folder does not have yet, and return all that was found.

        Raises:
            ProofError: the API does not run jobs.
            AuditError: weights are missing, the folder is in use, or the server keeps dying.
            PawfectError: the server does not start, or refuses the session.
            OSError: the disk is full; what was found stays.
        """
        identities: dict[str, str] = {}
        for matrix in self.plan.matrices:
            identities |= check_weights(matrix, self.profile, store)
        cells = self._cells(identities)
        with Journal(self.folder) as journal:
            plan = self._stages(cells)
            left = stages.to_run(journal.records, cells, plan, retry_failed=False)
            self.say(f"{len(cells)} cells: {len(cells) - len(left)} are done already")
            note = run_note(self.plan.matrices[0], cells, [self.session], self.command)
            journal.begin(note)
            steps = Steps(self.folder, self._key(identities), self.say)
            # Before the server: a card has no room for both.
            compiled = steps.found(
                "compile",
                lambda: asdict(checks.compiled(self.profile, self.plan.engine)),
                lambda found: checks.Told.of(found).conclusive,
            )
            timed = steps.found(
                "attention",
                lambda: asdict(checks.attention_timed(self.profile, self.plan.engine)),
                lambda found: checks.Told.of(found).exit_code == 0,
            )
            if left or stages.to_label(journal.records, cells):
                stages.Stages(plan, journal, self.say).run(cells, left)
            if any(steps.known(name) is None for name in SERVED):
                self.say("starting the server as it is served ...")
                with AuditServer(self.profile, self.folder / stages.LOG, whole=True) as server:
                    self._observe(server, steps)
            served = {name: steps.known(name) or {} for name in SERVED}
        return Evidence(
            self.profile,
            self.plan,
            self.card,
            read_run(self.folder),
            live.Live.of(served["live"] | served["without"]),
            jobs.Jobs.of(served["jobs"]),
            checks.Told.of(compiled),
            checks.Told.of(timed),
            # In seconds, and the code may be another than before.
            checks.prompts_tested(),
        )

    def _cells(self, identities: Mapping[str, str]) -> list[Cell]:
        """Return all cells, each once, those that share loaded weights in a row."""
        found: dict[str, Cell] = {}
        for matrix in self.plan.matrices:
            for cell in cells_of(matrix, [self.session], self.profile, identities):
                found.setdefault(cell.identity, cell)
        return sorted(
            found.values(), key=lambda cell: (cell.setting.quantisation, cell.setting.size)
        )

    def _key(self, identities: Mapping[str, str]) -> str:
        decides = [__version__, repr(self.profile), self.plan.engine, self.session.digest]
        decides.append(self.card.name)
        text = json.dumps([*decides, dict(sorted(identities.items()))])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _stages(self, cells: Sequence[Cell]) -> stages.Plan:
        """Return where each cell runs: on the card beside the labelling models, alone, or not."""
        placements = stages.placements_of(cells, self.profile, self.card.gib or None)
        stages.check_start(self.profile, self.card.gib or None, placements)
        prompts = sorted({cell.setting.prompt for cell in cells})
        sessions = {self.session.name: self.session}
        deadline_ms = self.plan.matrices[0].deadline_ms
        return stages.Plan(self.folder, self.profile, sessions, prompts, deadline_ms, placements)

    def _observe(self, server: AuditServer, steps: Steps) -> None:
        (config,) = load_configs(("inpaint",), self.profile.name)
        server.load(Overrides(engine=self.plan.engine))
        steps.found("live", lambda: asdict(live.observe(server, self.session, self.folder, config)))
        steps.found("jobs", lambda: asdict(self._jobs(server)))
        # Last: it kills processes of the server.
        steps.found("without", lambda: live.observe_without(server, self.session))

    def _jobs(self, server: AuditServer) -> jobs.Jobs:
        folder = self.folder / "jobs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            return asyncio.run(jobs.observe(server.address, self.session, folder))
        except (httpx.HTTPError, ProcessError, subprocess.TimeoutExpired) as error:
            problem = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ProofError(f"jobs: {problem}; see jobs/api.log in {self.folder.name}") from None
