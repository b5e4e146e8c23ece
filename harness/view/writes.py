"""What people write from the page: interventions and labels.

The same checks and the same code as `delm ctl` and `delm label`. Whether a request may write at all
was decided before (`harness.view.security`).
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from harness.board.records import Boards
from harness.errors import StoreUnavailable, UserError
from harness.labels.adding import Wanted, add_label, material
from harness.results.label_file import write_labels
from harness.results.run_folder import RunFolder
from harness.runner.control import intervene
from harness.secrets import redact_error
from harness.store.interventions import Action, InterventionRow, NewIntervention, in_words
from harness.store.protocol import Store
from harness.store.rows import Quotation
from harness.view.reading import BadRequest, NotThere
from harness.view.server_state import state_of

Fields = Mapping[str, str]  # of a form, by name
Write = Callable[[RunFolder, Store, Boards, Fields], Awaitable[str]]
TOO_LARGE = 15  # digits of a number in a form


async def control(request: Request) -> Response:
    """Write an intervention: a form with `action`, `by` and `reason`, and `trial_id`, `target` and
    `value` where the action takes them."""
    return await _written(request, _intervene)


async def label(request: Request) -> Response:
    """Add a label to the trial that the path names."""
    return await _written(request, partial(_label, request.path_params["trial_id"]))


async def _written(request: Request, write: Write) -> Response:
    """200 and what was done, or why nothing was, as JSON: `told`."""
    runs = state_of(request).runs
    try:
        folder = runs.folder(request.path_params["run_id"])
        fields = await _fields(request)
        told = await runs.threaded(partial(_write, folder, fields, write))
    except (NotThere, BadRequest) as error:
        return _told(str(error), 404 if isinstance(error, NotThere) else 400)
    except UserError as error:
        return _told(f"refused: {error}", 409)
    except StoreUnavailable as error:
        return _told(f"the run cannot be written: {error}", 503)
    return _told(told, 200)


def _told(text: str, status: int) -> Response:
    return JSONResponse({"told": redact_error(text)}, status, {"cache-control": "no-store"})


async def _write(folder: RunFolder, fields: Fields, write: Write) -> str:
    async with folder.open() as store, folder.boards() as boards:
        return await write(folder, store, boards, fields)


async def _fields(request: Request) -> Fields:
    """The form: a JSON object of texts."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        raise BadRequest("The form is to be sent as application/json.")
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadRequest("The form is not JSON.") from None
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise BadRequest("The form is to be an object whose values are texts.")
    return given


async def _intervene(folder: RunFolder, store: Store, boards: Boards, fields: Fields) -> str:
    action = fields.get("action", "")
    hold = action == "pause-now"  # the button that holds what is in flight, too
    action = Action.PAUSE if hold else action
    if action not in set(Action):
        raise BadRequest(f"There is no action {action[:80]!r}; there are: {', '.join(Action)}.")
    new = NewIntervention(
        action=Action(action),
        by=fields.get("by", ""),
        reason=fields.get("reason", ""),
        trial_id=_whole(fields, "trial_id"),
        target=fields.get("target", ""),
        value=True if hold else _value(fields),
    )
    return _sentence(await intervene(store, boards, folder.path, new))


def _sentence(row: InterventionRow) -> str:
    """What came of an intervention so far."""
    what = in_words(row)
    done = "; ".join(each["outcome"] or "done" for each in row["applied"])
    return f"{row['by']} {what}: {done or 'written; the processes of the run act on it'}"


async def _label(
    trial_id: int, folder: RunFolder, store: Store, boards: Boards, fields: Fields
) -> str:
    rows = await store.read()
    trial = next((row for row in rows.trials if row["trial_id"] == trial_id), None)
    if trial is None:
        raise NotThere(f"The run {folder.run_id} has no trial {trial_id}.")
    place, quote = fields.get("place", "").strip(), fields.get("quote", "")
    wanted = Wanted(
        label=fields.get("label", ""),
        author=fields.get("by", ""),
        comment=fields.get("comment", ""),
        confidence=_number(fields, "confidence"),
        submission_id=_whole(fields, "submission"),
        evidence=[Quotation(place=place, quote=quote)] if place or quote else [],
        replaces=_whole(fields, "replaces"),
    )
    number = await add_label(store, await material(store, boards, rows, trial), wanted)
    await write_labels(folder, store)
    return f"label {number} was added; no score changes"


def _whole(fields: Fields, name: str) -> int | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= TOO_LARGE):
        raise BadRequest(f"{name} is a whole number, not {text[:80]!r}.")
    return int(text)


def _number(fields: Fields, name: str) -> float | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadRequest(f"{name} is a number, not {text[:80]!r}.") from None


def _value(fields: Fields) -> str | None:
    return fields.get("value", "").strip() or None
