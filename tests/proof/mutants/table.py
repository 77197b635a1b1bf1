"""All mutants."""

from __future__ import annotations

from tests.proof.mutants import deciding, edge, leasing, sending, writing

MUTANTS = (*leasing.MUTANTS, *writing.MUTANTS, *sending.MUTANTS, *deciding.MUTANTS, *edge.MUTANTS)
