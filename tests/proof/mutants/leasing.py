"""Faults in who may work: the lease, its renewal, trust, takeover and the delay after it."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="no-renewal",
        breaks="A transaction renews nothing: a runner that was taken over goes on writing.",
        file="rollout/journal/lease_session.py",
        old="number = self.row.renew(connection)",
        new="number = 0",
        killers=(
            "tests/journal/test_lease.py::test_lost_writes_nothing",
            "tests/journal/test_lease.py::test_renewed_by_every_transaction[postgres]",
        ),
    ),
    Mutant(
        name="exists-check-only",
        breaks="A transaction looks whether its lease is there, and writes: a takeover in between is not noticed.",
        file="rollout/journal/lease_row.py",
        old="if not connection.execute(self._alone(connection).values(values)).rowcount:",
        new="there = (*_named(self.cluster, self.epoch), leases.c.taken_at.is_(None))\n"
        "        if not connection.execute(select(leases).where(*there)).first():",
        killers=("tests/journal/test_lease.py::test_takeover_waits_for_the_holder_s_transaction",),
    ),
    Mutant(
        name="no-renewal-by-a-look",
        breaks="A tick that writes nothing does not renew the lease, which ends while its holder waits.",
        file="rollout/journal/lease_session.py",
        old="return self.read(work) if self._beside_a_file else self.write(work)",
        new="return self.read(work)",
        killers=("tests/journal/test_lease.py::test_renewed_by_a_look",),
    ),
    Mutant(
        name="taken-over-early",
        breaks="A lease is taken over although it lasts.",
        file="rollout/journal/lease_row.py",
        old="over = leases.c.expires_at <= time(0)",
        new="over = leases.c.epoch > 0",
        killers=("tests/journal/test_lease.py::test_taken_over_when_it_has_expired",),
    ),
    Mutant(
        name="time-of-the-transaction",
        breaks="On Postgres a lease is measured by the beginning of a transaction, which may have waited for a lock.",
        file="rollout/journal/lease_row.py",
        old="clock_timestamp() + make_interval",
        new="now() + make_interval",
        killers=("tests/journal/test_transactions.py::test_time_passes_inside_of_a_transaction",),
    ),
    Mutant(
        name="released-by-who-lost-it",
        breaks="A runner that was taken over ends a lease all the same.",
        file="rollout/journal/lease_row.py",
        old="connection.execute(self._ours().values(released_at=now))",
        new="connection.execute(update(leases).where(leases.c.cluster == self.cluster).values(released_at=now))",
        killers=("tests/journal/test_lease.py::test_lost_writes_nothing",),
    ),
    Mutant(
        name="lock-not-taken",
        breaks="On one host two processes hold the lock beside the journal's file at once.",
        file="rollout/journal/lease_acquire.py",
        old="fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        new="fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        killers=("tests/journal/test_lease.py::test_freed_by_sigkill",),
    ),
    Mutant(
        name="trust-from-the-end",
        breaks="Trust counts from when a renewal was answered, though the lease counts from when it was carried out.",
        file="rollout/journal/lease_session.py",
        old="self.fence.renewed(began)",
        new="self.fence.renewed(self.fence.clocks())",
        killers=(
            "tests/journal/test_lease_session.py::test_trust_is_renewed_from_the_beginning_of_a_transaction[sqlite]",
        ),
    ),
    Mutant(
        name="trust-by-one-clock",
        breaks="One clock that stood still, as an uptime does in a suspended machine, prolongs trust.",
        file="rollout/fence.py",
        old="return all(now - then",
        new="return any(now - then",
        killers=("tests/core/test_fence.py::test_trust_ends_by_whichever_clock_ends_it_first",),
    ),
    Mutant(
        name="trust-outlives-the-lease",
        breaks="A runner trusts its lease for longer than it lasts.",
        file="rollout/fence.py",
        old="TRUST_SECONDS = 45.0",
        new="TRUST_SECONDS = 65.0",
        killers=("tests/core/test_fence.py::test_trust_ends_by_whichever_clock_ends_it_first",),
    ),
    Mutant(
        name="fence-open-after-the-loss",
        breaks="A runner that has learned that it was taken over may still send what it has begun.",
        file="rollout/journal/lease_session.py",
        old="            except Lost:\n                self.fence.shut()\n                raise\n",
        new="",
        killers=("tests/journal/test_lease_session.py::test_whoever_was_taken_over_is_not_trusted",),
    ),
    Mutant(
        name="trust-not-asked-for-by-aws",
        breaks="Requests to AWS leave whether the lease is trusted or not.",
        file="rollout/adapters/access.py",
        old="        client.meta.events.register(_LEAVING, _asking(self.fence.check_write))\n",
        new="",
        killers=("tests/adapters/test_leaving.py::test_trust_ends_where_the_request_would_leave[autoscaling]",),
    ),
    Mutant(
        name="trust-not-asked-for-by-kubernetes",
        breaks="Requests to Kubernetes leave whether the lease is trusted or not.",
        file="rollout/adapters/kube_api.py",
        old="_Line(configuration, once, _TIMEOUT, fence.check_write, self.silence, mutating=True)",
        new="_Line(configuration, once, _TIMEOUT, fence.check_read, self.silence, mutating=True)",
        killers=("tests/adapters/test_leaving.py::test_trust_ends_where_the_request_would_leave[kubernetes]",),
    ),
    Mutant(
        name="no-takeover-delay",
        breaks="After a takeover the record knows of no request of the older runner that may be on its way.",
        file="rollout/journal/lease_acquire.py",
        old="until = now() + timedelta(seconds=acquired.takeover_delay) if acquired.takeover_delay else None",
        new="until = None",
        killers=(
            "tests/journal/test_lease.py::test_the_takeover_delay_outlasts_those_who_come_in_between",
            "tests/journal/test_lease.py::test_the_takeover_delay_is_counted_by_the_database_s_clock",
        ),
    ),
    Mutant(
        name="takeover-delay-not-kept",
        breaks="In the delay after a takeover nodes are terminated and Jobs killed.",
        file="rollout/stages/__init__.py",
        old="steadied(after_takeover(answered, view), view)",
        new="steadied(answered, view)",
        killers=("tests/core/test_takeover_delay.py::test_what_cannot_be_taken_back_waits",),
    ),
    Mutant(
        name="answer-lost-and-done-again",
        breaks="A transaction whose COMMIT was not answered is done again without asking whether it stands.",
        file="rollout/journal/lease_session.py",
        old="            if not self._stands(number, doubt):\n",
        new="            if number:\n",
        killers=("tests/journal/test_lease_session.py::test_every_verb_is_done_once[after-postgres]",),
    ),
    Mutant(
        name="answer-lost-and-believed",
        breaks="A transaction whose COMMIT was not answered is taken for done: an effect leaves without its intent.",
        file="rollout/journal/lease_session.py",
        old="            if not self._stands(number, doubt):\n",
        new="            if not number:\n",
        killers=("tests/journal/test_lease_session.py::test_every_verb_is_done_once[before-postgres]",),
    ),
    Mutant(
        name="stop-not-asked-for",
        breaks="Requests leave although this process was told to stop.",
        file="rollout/fence.py",
        old="""        if self.stopping():
            raise Retry("not sent""",
        new="""        if not self.trusted():
            raise Retry("not sent""",
        killers=("tests/core/test_fence.py::test_who_is_told_to_stop_asks_and_sends_nothing_more",),
    ),
    Mutant(
        name="not-written-and-believed",
        breaks="When the retries end with a journal that is away, an intent that it did not take is taken for written.",
        file="rollout/journal/store.py",
        old="""            self._cache.forget()  # whether anything was written, or what, nobody knows
            raise
""",
        new="""            self._cache.forget()  # whether anything was written, or what, nobody knows
            return
""",
        killers=("tests/journal/test_lease_session.py::test_retries_end[sqlite]",),
    ),
    Mutant(
        name="epoch-counted-anew",
        breaks="After the loss of a journal epochs begin again below that of the marker.",
        file="rollout/journal/rebuild.py",
        old="number = max(epoch + BEYOND, lease_row.epoch(connection, cluster) + 1)",
        new="number = lease_row.epoch(connection, cluster) + 1",
        killers=("tests/journal/test_rebuild.py::test_the_next_epoch_is_far_above_the_lost_one[sqlite]",),
    ),
    Mutant(
        name="sleeps-with-the-machine",
        breaks="Trust goes by a clock that stands still while the machine is suspended.",
        file="rollout/adapters/clock.py",
        old='_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)',
        new="_UPTIME = time.CLOCK_MONOTONIC",
        killers=("tests/adapters/test_clock.py::test_the_time_of_a_suspended_machine_counts",),
    ),
    Mutant(
        name="halt-of-another-cleared",
        breaks="Who followed a runner that halted clears the halt when it takes over, and no person has looked.",
        file="rollout/cli/follow.py",
        old="return Ended.HALTED if record.halted and (record.halted, record.resume_count) != before else None",
        new="return Ended.HALTED if record.halted and not before else None",
        killers=("tests/cli/test_follow.py::test_a_halt_of_another_is_a_halt",),
    ),
)
