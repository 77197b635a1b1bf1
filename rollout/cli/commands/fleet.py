"""`rollout fleet`: one image for many clusters, in waves."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout.cli import options, output, screen, typed
from rollout.cli.screen.format import count, instant, table
from rollout.cli.session import actor, heard, new_run
from rollout.commands import OURS, rollout
from rollout.errors import FOR_A_PERSON, UserError
from rollout.fleet import decide, spec, store
from rollout.fleet.model import FAILED, OVER, Fleet, Kept, Member, Request, Standing, State
from rollout.journal import SqlJournal, open_journal, read_journal
from rollout.journal.database import backend_of
from rollout.journal.lease_row import Holder, database_time
from rollout.model.plan import spelled

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.fleet.model import FleetPlan

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Move many clusters to a new AMI, in waves (docs/fleet.md)."
)

FleetConfig = Annotated[
    Path,
    typer.Option(
        "--config", metavar="FILE", help="The fleet's file.", readable=False, is_eager=True, callback=options.named
    ),
]
WhoseFleet = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        readable=False,
        is_eager=True,
        callback=options.named,
        help="The fleet's file, which names the fleet and the journal; default: ./fleet.yaml if it is there.",
    ),
]
Named = Annotated[
    str | None,
    typer.Option(
        "--fleet",
        metavar="NAME",
        help="The fleet; default: the file's, else the newest unfinished.",
        callback=typed.reference,
        show_default=False,
    ),
]
MemberName = Annotated[str, typer.Argument(metavar="MEMBER", help="The member's name in the fleet.")]


@app.command()
def plan(config: FleetConfig = spec.DEFAULT_FILE) -> None:
    """Check a fleet's file and say what it would do.

    Every member's configuration is read and checked. Nothing is written, and neither AWS nor a cluster is asked.
    """
    file, found = _planned(config)
    for line in _waves_of(found):
        screen.say(line)
    screen.say(f"the journal is {backend_of(file.database).name}")
    screen.say(f"nothing was written\n  next: {rollout('fleet', 'start', '--config', str(config.absolute()))}")


@app.command()
def start(config: FleetConfig = spec.DEFAULT_FILE) -> None:
    """Begin a fleet: its rows are written, and nothing else.

    Its workers do the rest: `rollout fleet work`. A fleet that has begun already is left as it is.
    """
    output.works()
    file, found = _planned(config)
    with closing(open_journal(file.database, actor=actor())) as journal, journal.database.writing() as connection:
        begun = store.begin(connection, file.fleet, found, actor(), database_time)
    screen.say(file.fleet)
    what = f"{count(len(found.members), 'member')} in {count(len(found.waves), 'wave')}"
    screen.say(f"fleet {file.fleet} has begun: {what}" if begun else f"fleet {file.fleet} had begun already: {what}")
    screen.say(f"  next: {_to_work()}")


@app.command()
def work(
    config: FleetConfig = spec.DEFAULT_FILE,
    *,
    slots: Annotated[int, typer.Option(min=1, max=100, help="How many members it runs at a time.")] = 1,
) -> None:
    """Run members of a fleet until it is over.

    On as many hosts as you like. Each needs the fleet's file, and the members' configurations at the same places
    beside it. Exit 0 when the fleet is over, 75 after SIGTERM or Ctrl-C: then run the same command again.
    """
    from rollout.adapters.clock import SystemClock  # noqa: PLC0415  a second of libraries
    from rollout.fleet.worker import Worker  # noqa: PLC0415  as above

    output.works()
    file = spec.load(config)
    with closing(open_journal(file.database, actor=actor())) as journal, closing(SystemClock()) as clock:
        _look(journal, file.fleet)
        with heard() as signals:
            signals.wake = clock.wake
            worker = Worker(
                journal=journal,
                fleet_id=file.fleet,
                folder=config.absolute().parent,
                slots=slots,
                holder=Holder(socket.gethostname(), os.getpid(), new_run()),
                actor=actor(),
                program=OURS,
                clock=clock,
                stopping=signals.came,
                say=screen.say,
                time=database_time,
            )
            raise typer.Exit(worker.run())


@app.command()
def status(fleet: Named = None, *, config: WhoseFleet = None, database: options.Database = None) -> None:
    """Say where a fleet stands, and what needs a person.

    Members that wait, or are done, are counted; those that run or need a person are listed. Exit 1 if somebody must
    act, also when the fleet is over and a member's rollout is not.
    """
    with _found(fleet, config, database) as (journal, name):
        seen, members, now = _look(journal, name)
        for line in _standing(seen, members, now):
            screen.say(line)
        leads = journal.worker(f"fleet/{name}")
        if not seen.state.over and not (leads and leads.works):
            screen.say(f"no worker takes the fleet's steps\n  next: {_to_work()}")
    if any(decide.needs_a_person(seen, one) for one in members):
        raise typer.Exit(FOR_A_PERSON)


@app.command()
def why(fleet: Named = None, *, config: WhoseFleet = None, database: options.Database = None) -> None:
    """Say of each member that is not over what it waits for."""
    with _found(fleet, config, database) as (journal, name):
        seen, members, now = _look(journal, name)
    waits = {one.name: reason for one, reason in decide.why(seen, members, now)}
    for one in members:
        if decide.needs_a_person(seen, one):
            screen.say(f"{one.name}: {_at_work(seen, one)}")
        elif one.stands not in OVER:
            screen.say(f"{one.name}: {waits.get(one.name) or _at_work(seen, one)}")


@app.command()
def events(fleet: Named = None, *, config: WhoseFleet = None, database: options.Database = None) -> None:
    """Print a fleet's events."""
    with _found(fleet, config, database) as (journal, name):
        _look(journal, name)
        with journal.database.reading() as connection:
            told = store.events(connection, name)
    for event in told:
        typer.echo(screen.shown(f"{instant(event.at)}  {event.kind:<11}  {event.text}"))
        if output.unread():
            return


# ---- what a person asks for -----------------------------------------------------------------------------------------


@app.command()
def pause(fleet: Named = None, *, config: WhoseFleet = None, database: options.Database = None) -> None:
    """Begin no further member; those that run go on to their end."""
    with _asking(fleet, config, database) as (journal, seen, _):
        if seen.state is not State.RUNNING:
            raise UserError(f"fleet {seen.id} is {seen.state}: there is nothing to pause", hint=_again("status"))
        _ask(journal, seen, "pause")


@app.command()
def resume(fleet: Named = None, *, config: WhoseFleet = None, database: options.Database = None) -> None:
    """Go on after a pause.

    What has failed in the open wave so far no longer counts for `stop_when`. Those members still need a person before
    the next wave begins: `retry` or `skip` them.
    """
    with _asking(fleet, config, database) as (journal, seen, _):
        if seen.state is not State.PAUSED:
            raise UserError(f"fleet {seen.id} is {seen.state}: there is nothing to resume", hint=_again("status"))
        _ask(journal, seen, "resume")


@app.command()
def approve(
    fleet: Named = None,
    *,
    wave: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the next wave.")] = None,
    config: WhoseFleet = None,
    database: options.Database = None,
) -> None:
    """Let a wave begin that waits for a person.

    It begins once the waves before it have ended.
    """
    with _asking(fleet, config, database) as (journal, seen, _):
        waves = [one.name for one in seen.plan.waves]
        if wave is not None and wave not in waves:
            raise UserError(f"fleet {seen.id} has no wave {wave}", hint=f"it has: {', '.join(waves)}")
        number = seen.wave + 1 if wave is None else waves.index(wave) + 1
        if number <= seen.wave or number > len(waves):
            raise UserError("every such wave has begun already", hint=_again("status"))
        if number <= seen.approved:
            screen.say(f"wave {waves[number - 1]} is approved already")
            return
        _ask(journal, seen, "approve", wave=number)


@app.command()
def skip(
    member: MemberName, *, fleet: Named = None, config: WhoseFleet = None, database: options.Database = None
) -> None:
    """Leave a member out; its rollout stays as it stands.

    A member that runs goes on to its own end, and cannot be left out.
    """
    with _asking(fleet, config, database) as (journal, seen, members):
        one = _member(seen, members, member)
        if not decide.may_skip(one):
            raise UserError(f"{member} is {one.stands}, and cannot be left out", hint=_again("status"))
        if one.rollout_id and one.stands is Standing.HALTED:
            screen.say(f"rollout {one.rollout_id} stays halted: its cluster is as that rollout left it", err=True)
        _ask(journal, seen, "skip", member=member)


@app.command()
def retry(
    member: MemberName, *, fleet: Named = None, config: WhoseFleet = None, database: options.Database = None
) -> None:
    """Run a halted or refused member once more.

    It begins while the fleet is paused, too.
    """
    with _asking(fleet, config, database) as (journal, seen, members):
        one = _member(seen, members, member)
        if not decide.may_retry(one):
            hint = rollout("fleet", "skip", member) if one.stands is Standing.ABORTED else _again("status")
            raise UserError(f"{member} is {one.stands}, and cannot be tried again", hint=hint)
        _ask(journal, seen, "retry", member=member)


@app.command()
def stop(fleet: Named = None, *, config: WhoseFleet = None, database: options.Database = None) -> None:
    """End a fleet for good; members that run go on to their end.

    No other member begins any more.
    """
    with _asking(fleet, config, database) as (journal, seen, _):
        _ask(journal, seen, "stop")


def _ask(journal: SqlJournal, seen: Fleet, kind: str, *, member: str = "", wave: int = 0) -> None:
    asked = Request(0, kind, actor(), member, wave)
    with journal.database.writing() as connection:
        store.ask(connection, seen.id, asked, database_time)
    screen.say(f"fleet {seen.id}: {' '.join(word for word in (kind, member) if word)} is asked for")
    leads = journal.worker(f"fleet/{seen.id}")
    if leads and leads.works:
        screen.say("a worker obeys within 10 s")
    else:
        screen.say(f"no worker runs: the next one obeys\n  next: {_to_work()}")


# ---- which fleet ----------------------------------------------------------------------------------------------------


@contextmanager
def _found(fleet: str | None, config: Path | None, database: str | None) -> Iterator[tuple[SqlJournal, str]]:
    """Open the journal in order to look or to ask; yield it with the name of the fleet that is meant."""
    path = config or (spec.DEFAULT_FILE if spec.DEFAULT_FILE.exists() and database is None else None)
    options.use(path, database)
    file = spec.load(path) if path else None
    url = database or (file.database if file else options.journal_url(None, None))
    place = backend_of(url).path
    if place and not Path(place).exists():
        raise UserError(f"there is no journal at {place}: no fleet was begun with it, or it is lost", hint=_to_start())
    with closing(read_journal(url)) as journal:
        name = fleet or (file.fleet if file else None)
        if name is None:
            with journal.database.reading() as connection:
                known = store.known(connection)
            if not known:
                raise UserError("this journal has no fleet", hint=_to_start())
            name = next((one for one, state in known if not state.over), known[0][0])
        yield journal, name


@contextmanager
def _asking(
    fleet: str | None, config: Path | None, database: str | None
) -> Iterator[tuple[SqlJournal, Fleet, tuple[Member, ...]]]:
    """Yield a fleet that goes on, with its members; `UserError` for one that is over."""
    output.works()
    with _found(fleet, config, database) as (journal, name):
        seen, members, _ = _look(journal, name)
        if seen.state.over:
            raise UserError(f"fleet {name} is over: {seen.state}", hint=_again("status"))
        yield journal, seen, members


def _look(journal: SqlJournal, name: str) -> tuple[Fleet, tuple[Member, ...], datetime]:
    try:
        with journal.database.reading() as connection:
            return store.load(connection, name, database_time)
    except UserError as error:
        raise UserError(error.problem, hint=_to_start()) from error


def _planned(config: Path) -> tuple[spec.FleetFile, FleetPlan]:
    file = spec.load(config)
    return file, spec.plan(file, config.absolute().parent)


def _member(seen: Fleet, members: tuple[Member, ...], name: str) -> Member:
    found = next((one for one in members if one.name == name), None)
    if found is None:
        problem = f"fleet {seen.id} has no member {name}" if name else "the member's name is empty"
        raise UserError(problem, hint=_again("why"))
    return found


def _to_work() -> str:
    """Return the command of a worker, which needs the fleet's file."""
    return _with_its_file("work")


def _to_start() -> str:
    """Return the command that begins the fleet, which needs its file."""
    return _with_its_file("start")


def _with_its_file(verb: str) -> str:
    return rollout("fleet", verb, "--config", options.told().config or "FILE")


def _again(verb: str) -> str:
    return rollout("fleet", verb)


# ---- in words -------------------------------------------------------------------------------------------------------


def _waves_of(found: FleetPlan) -> Iterator[str]:
    for number, wave in enumerate(found.waves, start=1):
        members = [one for one in found.members if one.wave == number]
        first = " after a person approves it," if wave.gate else ""
        after = f", then a soak of {spelled(wave.soak)}" if wave.soak else ""
        yield f"wave {number} {wave.name}:{first} {count(len(members), 'member')}{after}"
        yield from (f"  {one.name}  {one.region}  {one.ami}  {one.config}" for one in members)
    limits, when = found.limits, found.stop_when
    yield f"at once: {limits.at_once}; per account: {limits.per_account or '-'}; per region: {limits.per_region or '-'}"
    halted = f"{when.halted_share:.0%} of its members" if when.halted_share else count(when.halted or 0, "member")
    killed = f", or after {count(when.killed_jobs, 'killed Job')}" if when.killed_jobs else ""
    yield f"a wave pauses when {halted} need a person{killed}"


def _standing(seen: Fleet, members: tuple[Member, ...], now: datetime) -> Iterator[str]:
    reason = f" ({seen.why})" if seen.why else ""
    yield f"fleet {seen.id}: {seen.state}{reason}"
    head = ("WAVE", "STATE", "MEMBERS", *(one.value.upper() for one in Standing))
    yield from table(head, [_row(seen, members, number) for number in range(1, len(seen.plan.waves) + 1)])
    if not seen.state.over and seen.wave < len(seen.plan.waves) and _complete(seen, members):
        if blocks := decide.between(seen, now):
            yield f"next wave: {blocks}"
        if seen.plan.waves[seen.wave].gate and seen.approved <= seen.wave:
            yield f"  next: {rollout('fleet', 'approve')}"
    for one in members:
        if one.stands is Standing.RUNNING or one.stands in FAILED or decide.needs_a_person(seen, one):
            yield f"{one.name}: {_at_work(seen, one)}"
    if seen.state is State.PAUSED:
        yield f"  next: {rollout('fleet', 'resume')}, after what is named above; or end it: rollout fleet stop"


def _complete(seen: Fleet, members: tuple[Member, ...]) -> bool:
    return all(one.stands in OVER for one in members if one.fixed.wave == seen.wave)


def _row(seen: Fleet, members: tuple[Member, ...], number: int) -> tuple[str, ...]:
    of_wave = [one for one in members if one.fixed.wave == number]
    counts = Counter(one.stands for one in of_wave)
    ended = number < seen.wave or (number == seen.wave and seen.wave_ended_at is not None)
    state = "ended" if ended else "open" if number == seen.wave else "waiting"
    numbers = (str(counts[one] or "-") for one in Standing)
    return seen.plan.waves[number - 1].name, state, str(len(of_wave)), *numbers


def _at_work(seen: Fleet, one: Member) -> str:
    """Say how a member stands that has begun, and what to type about it."""
    known = options.told().config
    its_own = ("--config", str(Path(known).parent / one.fixed.config)) if known else ()
    named = f"rollout {one.rollout_id}" if one.rollout_id else "its rollout has not begun"
    look = rollout("status", one.rollout_id, *its_own) if one.rollout_id else ""
    if one.stands is Standing.RUNNING or one.stands is Standing.READY:
        phase = f", {one.phase.value}" if one.phase else ""
        by = f", by {one.worker}" if one.worker else ", and no worker has it now" if one.state is Kept.BEGUN else ""
        return f"{one.stands}: {named}{phase}{by}"
    reason = one.halted or one.said or f"exit {one.exit_code}"
    ways = [commands.resume(one.rollout_id, *its_own)] if one.paused else []
    if not seen.state.begins_none:
        ways += [rollout("fleet", "retry", one.name)] * (decide.may_retry(one) and not one.paused)
        ways += [rollout("fleet", "skip", one.name)]
    steps = [*([look] if look else []), *([" or ".join(ways)] if ways else [])]
    if not decide.needs_a_person(seen, one):
        steps = []
    return "\n  next: ".join((f"{one.stands}: {named}: {reason}", *([", then: ".join(steps)] if steps else [])))
