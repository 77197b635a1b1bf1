----------------------------- MODULE Terminate -----------------------------
(***************************************************************************)
(* Lease, takeover delay and one terminate.                                *)
(*                                                                         *)
(* TerminateInstanceInAutoScalingGroup lowers the desired capacity by one. *)
(* It has no client token, so two that arrive end two nodes.  Runners that *)
(* die, are stopped for as long as you like at any step, or lose a reply,  *)
(* share one journal.  The question: does it arrive at most once?          *)
(*                                                                         *)
(* Nothing else is assumed to help.  The product also sets MinSize one     *)
(* below desired, so that AWS itself refuses the second terminate; that    *)
(* floor is not in this model, since somebody else may lower it.           *)
(*                                                                         *)
(* Time is counted in units of 15 seconds.  A runner that is stopped is    *)
(* one that takes no step while time passes.  One that is killed takes no  *)
(* step any more, and what it had not sent is gone with it; what had left  *)
(* it may still arrive, at any moment until its signature is too old.      *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS
    Epochs,      \* how many runners hold the lease, one after the other
    Sends,       \* how often the terminate is written down to be sent
    Ttl,         \* a lease lasts so long after its last renewal
    Trust,       \* its holder believes in it for so long after that
    LookGood,    \* so old may a look be when a terminate is about to be sent
    LeftBy,      \* so long after its look a request has left, the journal thinks
    Stale,       \* AWS may answer a look with what was true so long ago
    Life,        \* AWS accepts a request for so long after it was signed
    Yes,         \* a yes is believed for so long, though it does not show
    Late,        \* the journal waits so long for a request without an answer
    Delay,       \* the takeover delay, from the end of the older lease
    Ahead,       \* so far may the next host's clock be ahead of the last one's
    FileLock,    \* TRUE: a lock that the kernel frees when its holder dies
    FenceLast    \* TRUE: whether the lease is trusted is asked after signing

Runners == 1..Epochs
Requests == 1..Sends

VARIABLES
    epoch,       \* the newest hold of the cluster; 0 before any
    lease,       \* what is left of its lease
    over,        \* how long ago that lease has ended, while nobody took it
    delay,       \* what is left of the takeover delay
    at,          \* where each runner's program stands
    trust,       \* what is left of each runner's trust in its lease
    look,        \* how old each runner's look is
    signed,      \* what is left of the signature that it has in its hands
    mine,        \* which request each runner works at
    sent,        \* how often the terminate was written down
    late,        \* until when the journal thinks that each request may arrive
    flight,      \* what is left of the life of each request that has left
    arrived,     \* which requests have arrived, and lowered desired
    shown,       \* how long it has been applied
    done         \* the journal has it that the terminate was seen

vars == <<epoch, lease, over, delay, at, trust, look, signed, mine,
          sent, late, flight, arrived, shown, done>>

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a > b THEN a ELSE b
Minus(a, b) == IF a > b THEN a - b ELSE 0

Init ==
    /\ epoch = 0 /\ lease = 0 /\ over = 0 /\ delay = 0
    /\ at = [r \in Runners |-> "off"]
    /\ trust = [r \in Runners |-> 0]
    /\ look = [r \in Runners |-> 0]
    /\ signed = [r \in Runners |-> 0]
    /\ mine = [r \in Runners |-> 0]
    /\ sent = 0
    /\ late = [q \in Requests |-> 0]
    /\ flight = [q \in Requests |-> 0]
    /\ arrived = {}
    /\ shown = 0 /\ done = FALSE

----------------------------------------------------------------------------
(* The journal: each of these is one transaction under the lease, which    *)
(* renews it first.  Who was taken over finds nothing to renew, and ends.  *)

Renew(r) ==
    /\ epoch = r
    /\ lease' = Ttl /\ over' = 0
    /\ trust' = [trust EXCEPT ![r] = Trust]

\* The lease of a database may be taken when it has ended; a lock is free
\* when its holder is dead.  A lease delays the terminate, a lock does not.
Begin ==
    /\ epoch < Epochs /\ ~done
    /\ IF epoch = 0 THEN TRUE
       ELSE IF FileLock THEN at[epoch] = "dead" ELSE lease = 0
    /\ epoch' = epoch + 1
    /\ lease' = Ttl /\ over' = 0
    /\ delay' = IF FileLock \/ epoch = 0 THEN 0
                ELSE Max(delay, Minus(Delay, over))
    /\ at' = [at EXCEPT ![epoch + 1] = "idle"]
    /\ trust' = [trust EXCEPT ![epoch + 1] = Trust]
    /\ late' = [q \in Requests |-> Minus(late[q], Ahead)]
    /\ UNCHANGED <<look, signed, mine, sent, flight, arrived, shown, done>>

\* What AWS answers a look: for a while it may be what was true before.
MayShow == arrived # {}
MayNotShow == arrived = {} \/ shown < Stale

\* One tick: read the journal, look at the world.  Where the terminate
\* shows it is done.  Where it does not, it may be sent (again) only if no
\* request is late, of this runner or of an older one.
Look(r) ==
    /\ at[r] = "idle" /\ Renew(r) /\ ~done
    /\ \/ MayShow /\ done' = TRUE /\ UNCHANGED <<at, look>>
       \/ /\ MayNotShow
          /\ delay = 0 /\ \A q \in Requests : late[q] = 0
          /\ sent < Sends
          /\ at' = [at EXCEPT ![r] = "looked"]
          /\ look' = [look EXCEPT ![r] = 0]
          /\ UNCHANGED done
    /\ UNCHANGED <<epoch, delay, signed, mine, sent, late, flight, arrived, shown>>

\* Written before it is sent, with the time of the look.
Intend(r) ==
    /\ at[r] = "looked" /\ Renew(r)
    /\ sent' = sent + 1
    /\ mine' = [mine EXCEPT ![r] = sent + 1]
    /\ late' = [late EXCEPT ![sent + 1] = Minus(Late + LeftBy, look[r])]
    /\ at' = [at EXCEPT ![r] = "intended"]
    /\ UNCHANGED <<epoch, delay, look, signed, flight, arrived, shown, done>>

\* The outcome.  Without an answer, the request may still arrive.
Receive(r) ==
    /\ at[r] \in {"kept", "waiting"} /\ Renew(r)
    /\ \/ /\ at[r] = "kept"
          /\ late' = [late EXCEPT ![mine[r]] = 0]
       \/ /\ at[r] = "waiting" /\ mine[r] \in arrived
          /\ late' = [late EXCEPT ![mine[r]] = Yes]
       \/ /\ at[r] = "waiting"
          /\ late' = [late EXCEPT ![mine[r]] = Late]
    /\ at' = [at EXCEPT ![r] = "idle"]
    /\ UNCHANGED <<epoch, delay, look, signed, mine, sent, flight, arrived, shown, done>>

\* A process that ends leaves nothing behind but what had left it.
End(r) ==
    /\ at' = [at EXCEPT ![r] = "dead"]
    /\ trust' = [trust EXCEPT ![r] = 0]
    /\ look' = [look EXCEPT ![r] = 0]
    /\ signed' = [signed EXCEPT ![r] = 0]
    /\ mine' = [mine EXCEPT ![r] = 0]
    /\ UNCHANGED <<epoch, lease, over, delay, sent, late, flight, arrived,
                   shown, done>>

Lost(r) ==
    /\ epoch # r /\ at[r] \in {"idle", "looked", "kept", "waiting"}
    /\ End(r)

----------------------------------------------------------------------------
(* Sending.  Between any two of these steps the process may be stopped.    *)

Step(r, from, to) == at[r] = from /\ at' = [at EXCEPT ![r] = to]

Still == UNCHANGED <<epoch, lease, over, delay, trust, look, mine, sent,
                     late, arrived, shown, done>>

\* An old look is not acted upon.
Check(r) ==
    /\ Step(r, "intended", IF look[r] <= LookGood THEN "checked" ELSE "kept")
    /\ UNCHANGED <<signed, flight>> /\ Still

Sign(r) ==
    /\ Step(r, IF FenceLast THEN "checked" ELSE "passed",
               IF FenceLast THEN "signed" ELSE "leaving")
    /\ signed' = [signed EXCEPT ![r] = Life + 1]  \* the last unit counts whole
    /\ UNCHANGED flight /\ Still

\* The fence: nothing leaves without trust in the lease.
Fence(r) ==
    /\ Step(r, IF FenceLast THEN "signed" ELSE "checked",
               IF trust[r] = 0 THEN "kept"
               ELSE IF FenceLast THEN "leaving" ELSE "passed")
    /\ UNCHANGED <<signed, flight>> /\ Still

Leave(r) ==
    /\ Step(r, "leaving", "waiting")
    /\ flight' = [flight EXCEPT ![mine[r]] = signed[r]]
    /\ signed' = [signed EXCEPT ![r] = 0]
    /\ Still
\* kill -9, at any step.
Die(r) ==
    /\ at[r] \notin {"off", "dead"}
    /\ End(r)

----------------------------------------------------------------------------
(* AWS, the network and time.                                              *)

\* A second one, for an instance that is ending, is assumed to count too.
Arrive(q) ==
    /\ flight[q] > 0
    /\ flight' = [flight EXCEPT ![q] = 0]
    /\ arrived' = arrived \union {q}
    /\ UNCHANGED <<epoch, lease, over, delay, at, trust, look, signed, mine,
                   sent, late, shown, done>>

Tick ==
    /\ ~done
    /\ lease' = Minus(lease, 1)
    /\ over' = IF lease = 0 THEN Min(over + 1, Delay) ELSE 0
    /\ delay' = Minus(delay, 1)
    /\ trust' = [r \in Runners |-> Minus(trust[r], 1)]
    /\ look' = [r \in Runners |-> IF at[r] \in {"looked", "intended"}
                                  THEN Min(look[r] + 1, Late + LeftBy) ELSE 0]
    /\ signed' = [r \in Runners |-> Minus(signed[r], 1)]
    /\ late' = [q \in Requests |-> Minus(late[q], 1)]
    /\ flight' = [q \in Requests |-> Minus(flight[q], 1)]
    /\ shown' = IF arrived = {} THEN 0 ELSE Min(shown + 1, Stale)
    /\ UNCHANGED <<epoch, at, mine, sent, arrived, done>>

Next ==
    \/ Begin \/ Tick
    \/ \E r \in Runners : \/ Look(r) \/ Intend(r) \/ Receive(r) \/ Lost(r)
                          \/ Check(r) \/ Sign(r) \/ Fence(r) \/ Leave(r)
                          \/ Die(r)
    \/ \E q \in Requests : Arrive(q)

Spec == Init /\ [][Next]_vars

----------------------------------------------------------------------------
Count(S) == IF S = {} THEN 0 ELSE IF \E x \in S : S = {x} THEN 1 ELSE 2

\* Promise 6: desired falls by one at most, whatever arrives and whenever.
AtMostOnce == Count(arrived) <= 1
=============================================================================
