"""Every published schema: the name of a command -> the model of what it prints with --json."""

from __future__ import annotations

from pydantic import BaseModel

from planner.schemas import PLAN_SCHEMAS
from planner.schemas_buy import BUY_SCHEMAS
from planner.schemas_catalogue import CATALOGUE_SCHEMAS
from planner.schemas_hardware import HARDWARE_SCHEMAS
from planner.schemas_verify import VERIFY_SCHEMAS

SCHEMAS: dict[str, type[BaseModel]] = {
    **PLAN_SCHEMAS,
    **BUY_SCHEMAS,
    **CATALOGUE_SCHEMAS,
    **HARDWARE_SCHEMAS,
    **VERIFY_SCHEMAS,
}
