"""`rollout plan`: what `rollout start` would do, without doing any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollout import commands, preflight
from rollout.cli import options, outcome, output, own_files, pace, plan_file, planning, screen, select_rollout, typed
from rollout.cli.monitoring import telling
from rollout.cli.screen import at_work
from rollout.cli.screen.format import count, folded, instant, span
from rollout.cli.session import new_run
from rollout.errors import DONE, USAGE
from rollout.journal import database as places
from rollout.journal import read_journal
from rollout.model.machine import terminal
from rollout.model.plan import Plan, duration, listed, spelled
from rollout.model.windows import open_until, opens
from rollout.ports import ends_of
from rollout.preflight import fitting, outline, room, saved
from rollout.preflight.forecast import Forecast, Known, Spread, Took, forecast, learnt
from rollout.preflight.room import Room

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.config import Config
    from rollout.errors import Blocker
    from rollout.model.observation import ImageSeen
    from rollout.model.plan import Sizes
    from rollout.ports import Summary
    from rollout.preflight.outline import GroupOutline, TemplateOutline, Workload
    from rollout.preflight.saved import SavedPlan

#: Exit code of --detailed-exitcode where a rollout would change something.
CHANGES = 3
#: Workloads of a kind that people are shown at most; programs are told of all.
_SHOWN = 20
#: Share of the plays of a forecast in which something goes wrong, from which on people are told.
_WORTH_TELLING = 0.1
#: Of a start with a plan by which nothing is to be replaced.
_BEGINS_NOTHING = "   (it ends with 0 as long as nothing is to be replaced, and is refused when something is)"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a start would do at this moment.

    `refused`: why it would not begin, or would end after its maintenance window. The rest is empty then, but for the
    forecast.
    `images`: by id, the new one and those that run now, None where one is not to be seen any more.
    `jobs_read`: whether it could be asked when Jobs end at the latest. `told`: what a start tells of its length.
    `saved`: what a file keeps of it. `room`: for what AWS has room.
    `forecast`: when it ends, and what it costs.
    """

    request: preflight.Request
    now: datetime
    warnings: tuple[str, ...]
    refused: tuple[Blocker, ...] = ()
    up_to_date: bool = False
    groups: tuple[GroupOutline, ...] = ()
    workloads: tuple[Workload, ...] = ()
    images: Mapping[str, ImageSeen | None] = field(default_factory=dict)
    jobs_read: bool = True
    told: tuple[str, ...] = ()
    saved: SavedPlan | None = None
    forecast: Forecast | None = None
    room: Room = field(default_factory=Room)

    @property
    def begins(self) -> datetime:
        """When it would begin: where its maintenance windows are closed, when the next one opens."""
        return opens(self.request.settings.windows, self.now)


def plan(  # noqa: PLR0913  each is an option
    *,
    ami: options.Ami = None,
    ami_from: options.AmiFrom = None,
    config: options.ConfigFile = options.CONFIG,
    description: options.Description = "",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The key that the start is to have: a rollout that has it already is told.",
            show_default=False,
            callback=typed.key,
        ),
    ] = None,
    database: options.Database = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="End with 3, not 0, if a rollout would change something."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            readable=False,
            help="Write the plan to a file, for `rollout start --plan FILE`.",
            show_default=False,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what `rollout start` would do, and change nothing.

    Options that start has too mean the same. What would block the start ends this with exit code 2, as there. The
    groups with their sizes, templates and images are told, and the workloads on the nodes that must go. A rollout that
    would end after its maintenance window, by the forecast, is refused too.
    """
    given = planning.Given(ami, ami_from, description, key)
    loaded = options.loaded(config, database)
    journal = places.backend_of(loaded.database).path
    if out:
        own_files.require(out, plan_file.FILE, journal)
    wanted = given.wanted(loaded.region)
    asked = select_rollout.Asked(loaded.cluster, loaded.groups, wanted.ami, key)
    request = planning.request(loaded, wanted)
    known, earlier = _known(loaded.database, loaded.cluster)
    made = select_rollout.of_key(asked, known) or _made(loaded, asked, request, known, earlier)
    kept = out if _keep(made, out, journal) else None
    if as_json:
        fields = as_fields(made, request) if isinstance(made, Preview) else _going_on_fields(made, request)
        fields["written"] = kept and str(kept.absolute())
        typer.echo(output.as_json(fields, indent=2))
    elif isinstance(made, Preview):
        _show(made)
    else:
        screen.say(_going_on(made))
    if out and not as_json:
        screen.say(f"the plan is {out.absolute()}" if kept else f"no plan was written to {out.absolute()}")
    if isinstance(made, Preview) and not as_json and (kept or not made.up_to_date):
        begin = planning.Given(None, None, "", key, out) if kept else given
        screen.say(f"  next: {begin.command}" + (_BEGINS_NOTHING if made.up_to_date else ""))
    raise typer.Exit(_code(made, detailed=detailed_exitcode))


def _known(url: str, cluster: str) -> tuple[Sequence[Summary], Sequence[Took]]:
    """Return the journal's rollouts, and how long those of the cluster took; none where there is no journal yet.

    Raises `UserError` where it cannot be read.
    """
    file = places.backend_of(url).path
    if file and not Path(file).exists():
        return (), ()
    with closing(read_journal(url)) as journal:
        return journal.summaries(), pace.earlier(journal, cluster)


def _made(
    config: Config,
    asked: select_rollout.Asked,
    request: preflight.Request,
    known: Sequence[Summary],
    earlier: Sequence[Took],
) -> Preview | Summary:
    """Look once; return what a start would do, or the rollout that it would continue.

    Raises `UserError` where another rollout is unfinished, or nobody answers.
    """
    from rollout.adapters import connect  # noqa: PLC0415  a second of libraries, which a usage error need not wait for

    with connect(config, new_run()) as edge:
        here = edge.cluster_id()
        if found := select_rollout.to_start(replace(asked, scope=here.arn), known):
            return found
        telling.require(config.notify)
        survey = preflight.survey(request, edge.kubernetes, edge.autoscaling, edge.probe)
        now = edge.clock.now()
        plan = preflight.make_plan(survey, request)
        warnings = preflight.warnings(survey, request, identified=bool(here.uid))
        if not isinstance(plan, Plan):
            return Preview(request, now, warnings, refused=plan)
        kept = saved.save(survey, plan, here, now)
        if preflight.up_to_date(survey, request.ami):
            return Preview(request, now, (), up_to_date=True, saved=kept)
        jobs = edge.kubernetes.jobs()
        there = room.look(survey, plan, edge.room)
        groups = outline.groups(survey, plan)
        workloads = outline.workloads(survey, request.settings, now, ends_of(jobs or ()))
        before = Known(survey, plan, groups, workloads, jobs or (), now, config.prices)
        ends = forecast(before, learnt(earlier))
        if blocker := fitting.too_long(ends, request.settings, now):
            return Preview(request, now, warnings, refused=(blocker,), forecast=ends)
        older = {ami: edge.autoscaling.image(ami) for ami in outline.old_images(groups) if ami != request.ami}
        return Preview(
            request,
            now,
            (*warnings, *room.warnings(there)),
            groups=groups,
            workloads=workloads,
            images={request.ami: survey.image, **older},
            jobs_read=jobs is not None,
            told=preflight.autoscaler_off(survey, request.settings),
            saved=kept,
            room=there,
            forecast=ends,
        )


def _keep(made: Preview | Summary, out: Path | None, journal: Path | None) -> bool:
    """Write the plan where that was asked for; tell whether there is one."""
    if out is None or not isinstance(made, Preview) or made.saved is None:
        return False
    plan_file.write(made.saved, out, journal)
    return True


def _code(made: Preview | Summary, *, detailed: bool) -> int:
    if isinstance(made, Preview) and made.refused:
        return USAGE
    changes = not made.up_to_date if isinstance(made, Preview) else not terminal(made.phase)
    return CHANGES if detailed and changes else DONE


# ---- for people -----------------------------------------------------------------------------------------------------


def _going_on(found: Summary) -> str:
    if terminal(found.phase):
        return f"nothing to do: rollout {found.id} {outcome.over(found.phase)}"
    where = f"a start would continue rollout {found.id}, in {found.phase.value}"
    if found.halted:
        first = commands.rollout("status", found.id)
        return f"{where}, where it is halted: {found.halted}\n  next: {first} says what to do before a resume"
    if found.pause:
        return f"{where}, {at_work.paused(found.pause)}\n  next, to lift the pause: {commands.resume(found.id)}"
    return f"{where}\n  next: {commands.resume(found.id)}"


def _show(made: Preview) -> None:
    if made.refused:
        for warning in made.warnings:
            screen.say(f"warning: {warning}", err=True)
        raise planning.refused(made.refused)
    screen.say("\n".join(lines(made)))


def lines(made: Preview) -> Iterator[str]:
    """Yield the page for people."""
    request = made.request
    if made.up_to_date:
        yield from folded(planning.up_to_date(request))
        return
    yield from folded(
        f"a rollout of {request.ami} to cluster {request.cluster} ({request.region}); nothing is begun yet"
    )
    yield ""
    yield from _images(made)
    for group in made.groups:
        yield ""
        yield from _group(group)
    if lines := [*room.lines(made.room)]:
        yield ""
        yield "room for the surge"
        for line in lines:
            yield from folded(line, "  ", "    ")
    yield ""
    yield from _workloads(made)
    yield ""
    yield from _times(made)
    if made.forecast:
        yield ""
        yield from _forecast(made, made.forecast)
    if made.warnings:
        yield ""
        yield count(len(made.warnings), "warning")
        for warning in made.warnings:
            yield from folded(warning, "  - ")


def _images(made: Preview) -> Iterator[str]:
    for ami, image in made.images.items():
        new = "new image" if ami == made.request.ami else "old image"
        yield from folded(f"{ami}{_image(image, made.now)}", f"{new}  ")


def _image(image: ImageSeen | None, now: datetime) -> str:
    if image is None:
        return ", which does not exist any more, or this account cannot see it"
    age = f"made {image.created:%Y-%m-%d}, {count((now - image.created).days, 'day')} ago" if image.created else ""
    root = f"root volume {image.root_gib} GiB" if image.root_gib is not None else ""
    return ", ".join(part for part in (f" {image.name}", image.architecture, root, age) if part)


def _group(group: GroupOutline) -> Iterator[str]:
    yield f"group {group.name}: {count(group.old, 'instance')} to replace"
    yield f"  now    {group.before}"
    if group.peak != group.before:
        yield f"  peak   {group.peak}"
        yield "  after  as now"
    for template in group.templates:
        yield from _template(template)
    if group.suspends:
        yield from folded(f"suspended until the end: {', '.join(group.suspends)}", "  ", "    ")


def _template(template: TemplateOutline) -> Iterator[str]:
    source = template.source
    yield from folded(
        f"launch template {source.use.label} (version {source.version} now): a new version differs in its image and "
        f"its description; {source.use.reference} {template.then}",
        "  ",
        "    ",
    )


def _workloads(made: Preview) -> Iterator[str]:
    for protected, what in ((True, "protected, their nodes wait for them"), (False, "not protected, they are evicted")):
        some = [one for one in made.workloads if one.protected is protected]
        yield f"{what}: {count(sum(one.pods for one in some), 'running pod')}"
        for one in some[:_SHOWN]:
            yield from folded(_workload(one, made), "  - ")
        if len(some) > _SHOWN:
            yield f"  and {count(len(some) - _SHOWN, 'workload')} more (--json has all)"


def _workload(one: Workload, made: Preview) -> str:
    age = f", {span(made.now - one.created)} old" if one.created else ""
    ends = f", ends at {instant(one.ends)} at the latest" if one.ends else ""
    what = f"{one.namespace}/{one.kind}/{one.name}: {count(one.pods, 'pod')}"
    return f"{what}{age}{ends}{_expected(one, made)} ({one.why})"


def _expected(one: Workload, made: Preview) -> str:
    """Say when it is expected to end, where others like it tell that; by its age alone it is no more than a guess."""
    known = made.forecast.expected.get(one.key) if made.forecast else None
    if known is None:
        return ""
    late = f", {known.late:.0%} beyond the drain deadline" if known.late >= _WORTH_TELLING else ""
    if known.basis == "age":
        return late
    half, most = (_moment(one, made.now) for one in (known.p50, known.p90))
    return f", expected to end at {half} (p90 {most}){late}"


def _moment(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"


def _forecast(made: Preview, told: Forecast) -> Iterator[str]:
    seconds = (told.seconds.p10, told.seconds.p50, told.seconds.p90)
    yield _row("forecast", ("p10", "p50", "p90"))
    yield _row("  length", [span(duration(one)) for one in seconds])
    yield _row("  end, at UTC", [f"{made.begins + duration(one):%m-%d %H:%M}" for one in seconds])
    yield _row("  extra node-hours", _three(told.node_hours))
    if told.cost:
        yield _row("  their cost", _three(told.cost))
    if told.unpriced:
        yield from folded(f"their cost is not known: `prices` has none for {listed(told.unpriced, _SHOWN)}", "  ")
    if told.late >= _WORTH_TELLING:
        yield from folded(f"protected work still runs at the drain deadline in {told.late:.0%} of the plays", "  ")


def _row(name: str, values: Sequence[str]) -> str:
    return f"{name:18}" + "".join(f"{one:>14}" for one in values)


def _three(found: Spread) -> list[str]:
    return [f"{one:.1f}" for one in (found.p10, found.p50, found.p90)]


def _times(made: Preview) -> Iterator[str]:
    settings = made.request.settings
    ends = "the rollout halts" if settings.on_deadline == "halt" else "protected pods on old nodes are ended"
    yield from folded(
        f"{spelled(settings.drain_seconds)} after the drain begins {ends} (drain.on_deadline: {settings.on_deadline})"
    )
    risky = [f"{one.namespace}/{one.kind}/{one.name}" for one in made.workloads if one.at_risk]
    if risky:
        yield from folded(f"may run longer, by activeDeadlineSeconds: {listed(risky, _SHOWN)}", "  ", "    ")
    unknown = sum(one.at_risk is None and not _has_history(one, made) for one in made.workloads)
    if unknown and made.jobs_read:
        who = count(unknown, "protected workload")
        why = "no activeDeadlineSeconds, and none like it that ended"
        yield from folded(f"when {who} may end is not known: {why}", "  ", "    ")
    elif unknown:
        yield from folded("it is not known when Jobs end: we may not list jobs.batch (docs/rights-kubernetes.md)", "  ")
    for line in made.told:
        yield from folded(line)
    if windows := settings.windows:
        closes = open_until(windows, made.begins)
        when = "now" if made.begins == made.now else f"at {instant(made.begins)}"
        yield from folded(f"it begins {when}, in a maintenance window that closes at {instant(closes or made.begins)}")


def _has_history(one: Workload, made: Preview) -> bool:
    known = made.forecast.expected.get(one.key) if made.forecast else None
    return known is not None and known.basis == "history"


# ---- for programs ---------------------------------------------------------------------------------------------------


def _going_on_fields(found: Summary, request: preflight.Request) -> dict[str, Any]:
    """Return what a start would continue; what it would begin is nothing."""
    empty = as_fields(Preview(request, found.begun, ()), request)
    going_on = {"id": found.id, "phase": found.phase.value, "halted": found.halted}
    return empty | {"changes": not terminal(found.phase), "goes_on_with": going_on}


def as_fields(made: Preview, request: preflight.Request) -> dict[str, Any]:
    """Return the page for programs; its keys stay what they are."""
    settings = request.settings
    begins = not (made.refused or made.up_to_date)
    return {
        "cluster": request.cluster,
        "region": request.region,
        "ami": request.ami,
        "changes": begins,
        "goes_on_with": None,
        "refused": [{"problem": one.problem, "reason": one.reason, "next": one.hint} for one in made.refused],
        "warnings": list(made.warnings),
        "drain_seconds": settings.drain_seconds,
        "on_deadline": settings.on_deadline,
        "images": [_image_fields(ami, image) for ami, image in made.images.items()],
        "groups": [_group_fields(group) for group in made.groups],
        "room": _room_fields(made.room),
        "forecast": _forecast_fields(made.forecast, made.begins) if made.forecast else None,
        "workloads": [_workload_fields(one, made.forecast) for one in made.workloads],
        "written": None,
    }


def _image_fields(ami: str, image: ImageSeen | None) -> dict[str, Any]:
    return {
        "id": ami,
        "name": image.name if image else None,
        "created": instant(image.created) if image and image.created else None,
        "architecture": image.architecture if image else None,
        "root_gib": image.root_gib if image else None,
    }


def _group_fields(group: GroupOutline) -> dict[str, Any]:
    return {
        "name": group.name,
        "old": group.old,
        "now": _sizes(group.before),
        "peak": _sizes(group.peak),
        "after": _sizes(group.before),
        "suspends": list(group.suspends),
        "templates": [
            {
                "id": template.source.use.template_id,
                "name": template.source.use.template_name,
                "slot": template.source.use.slot or None,
                "reference": template.source.use.reference,
                "version": template.source.version,
                "image": template.image,
                "then": template.then,
            }
            for template in group.templates
        ],
    }


def _room_fields(there: Room) -> dict[str, Any]:
    return {
        "addresses": [
            {
                "group": one.group,
                "more": one.more,
                "free": sum(one.free.values()) if one.free else None,
                "subnets": [{"id": name, "free": free} for name, free in one.free.items()],
                "short": one.short,
            }
            for one in there.addresses
        ],
        "vcpus": [
            {
                "quota": one.code,
                "name": one.name,
                "more": one.more,
                "used": one.used,
                "limit": one.limit,
                "short": one.short,
            }
            for one in there.quotas
        ],
        "unchecked": list(there.unchecked),
    }


def _sizes(sizes: Sizes) -> dict[str, int]:
    return {"minimum": sizes.minimum, "desired": sizes.desired, "maximum": sizes.maximum}


def _forecast_fields(told: Forecast, begins: datetime) -> dict[str, Any]:
    return {
        "seconds": _spread(told.seconds),
        "ends": {name: instant(begins + duration(one)) for name, one in _spread(told.seconds).items()},
        "node_hours": _spread(told.node_hours),
        "cost": _spread(told.cost) if told.cost else None,
        "unpriced": list(told.unpriced),
        "late": round(told.late, 2),
    }


def _spread(found: Spread) -> dict[str, float]:
    return {"p10": round(found.p10, 2), "p50": round(found.p50, 2), "p90": round(found.p90, 2)}


def _workload_fields(one: Workload, told: Forecast | None) -> dict[str, Any]:
    known = told.expected.get(one.key) if told else None
    return {
        "namespace": one.namespace,
        "kind": one.kind,
        "name": one.name,
        "pods": one.pods,
        "nodes": list(one.nodes),
        "protected": one.protected,
        "why": one.why,
        "created": instant(one.created) if one.created else None,
        "ends": instant(one.ends) if one.ends else None,
        "at_risk": one.at_risk,
        "expected": instant(known.p50) if known else None,
        "expected_p90": instant(known.p90) if known else None,
        "expected_by": known.basis if known else None,
        "late": round(known.late, 2) if known else None,
    }
