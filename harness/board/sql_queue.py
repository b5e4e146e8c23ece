"""The tasks of one trial, in a database."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from harness.board import limits
from harness.board.change_watch import Watch
from harness.board.protocols import BoardRefused, Claim, LeaseLost, NewTask, Task
from harness.store.database import Database, Row, Run


def task_of(row: Row) -> Task:
    """A task of the columns that every statement which gives tasks names in this order."""
    # by position, as every statement that gives a task names its columns: by name takes four times
    # the time
    label, kind, text, state, priority, after, preferred, excluded, subject, by, *last = row
    holder, attempts, result = last[:3]
    return Task(
        label=label,
        kind=kind,
        text=text,
        state=state,
        priority=priority,
        after=tuple(json.loads(after)) if after != "[]" else (),
        preferred=preferred,
        excluded=tuple(json.loads(excluded)) if excluded != "[]" else (),
        subject=subject,
        created_by=by,
        holder=holder,
        attempts=attempts,
        result=json.loads(result) if result != "{}" else {},
    )


class SqlQueue:
    """A `TaskQueue`. Docstrings here add what is specific to databases."""

    def __init__(self, database: Database, watch: Watch, trial_id: int, *, max_tasks: int) -> None:
        self._database = database
        self._watch = watch
        self._trial = trial_id
        self._max_tasks = max_tasks

    @property
    def version(self) -> int:
        """See `TaskQueue.version`."""
        return self._watch.version(self._trial)

    async def wait(self, since: int, *, timeout_s: float) -> int:
        """See `TaskQueue.wait`. Returns at once for changes by this process."""
        return await self._watch.wait(self._trial, since, timeout_s=timeout_s)

    # -- agents ----------------------------------------------------------------------------------

    async def join(self, agent: str, *, lease_s: float) -> None:
        """See `TaskQueue.join`. An agent that had left is alive again."""
        limits.check_agent(agent)
        await self._database.run("join", self._trial, agent=agent, lease_s=lease_s)

    async def leave(self, agent: str) -> None:
        """See `TaskQueue.leave`. In a closed trial the claimed task is cancelled."""
        limits.check_agent(agent)

        async def body(run: Run) -> None:
            await run("drop_claim", agent=agent)
            await run("leave", agent=agent)

        await self._database.write(body, self._trial)

    # -- putting ---------------------------------------------------------------------------------

    async def put(self, *tasks: NewTask, by: str) -> list[Task]:
        """See `TaskQueue.put`."""
        self._check(tasks, by)

        async def body(run: Run) -> list[Task]:
            return await self._put(run, tasks, by)

        return await self._database.write(body, self._trial, alone=True)

    def _check(self, tasks: Sequence[NewTask], by: str) -> None:
        limits.check_length("a name", by, limits.MOST_NAME)
        for task in tasks:
            limits.check_task(task)

    async def _put(self, run: Run, tasks: Sequence[NewTask], by: str) -> list[Task]:
        if not tasks:
            return []
        (room,) = await run("room")
        if room["closed"]:
            raise BoardRefused("the trial is closed")
        number, found = room["tasks"], []
        for task in tasks:
            there = await run("task_of_key", key=limits.task_key(task))
            if not there:
                number += 1
                if number > self._max_tasks:
                    raise BoardRefused(f"the trial has its {self._max_tasks:,} tasks already")
                there = [await self._put_one(run, task, number, by)]
            found.append(await self._exclude(run, task_of(there[0]), task.excluded))
        return found

    async def _put_one(self, run: Run, task: NewTask, number: int, by: str) -> Row:
        needs = [await self._need(run, label) for label in dict.fromkeys(task.after)]
        label = await self._label(run, task)
        await run(
            "put",
            number=number,
            label=label,
            kind=task.kind,
            waiting=sum(need["state"] != "done" for need in needs),
            priority=task.priority,
            preferred=task.preferred,
            excluded=json.dumps(task.excluded),
            by=by,
        )
        await run(
            "ask",
            key=limits.task_key(task),
            by=by,
            subject=task.subject,
            after=json.dumps([need["label"] for need in needs]),
            text=task.text,
        )
        (row,) = await run("task", label=label)
        for need in needs:
            await run("need", needed=need["task_id"], task_id=row["task_id"])
        for need in needs:
            if need["state"] in ("failed", "cancelled"):
                await run("cancel_waiting", task_id=need["task_id"], reason=_why(need))
                (row,) = await run("task", label=row["label"])
                break
        return row

    async def _exclude(self, run: Run, there: Task, excluded: Sequence[str]) -> Task:
        both = tuple(dict.fromkeys((*there.excluded, *excluded)))
        if both == there.excluded or there.state != "open":
            return there
        await run("exclude", label=there.label, excluded=json.dumps(both))
        return there._replace(excluded=both)

    async def _need(self, run: Run, label: str) -> Row:
        for row in await run("task", label=label):
            return row
        raise BoardRefused(f"`after` names no task: {label[:80]!r}")

    async def _label(self, run: Run, task: NewTask) -> str:
        label = task.label
        if label and await run("task", label=label):
            raise BoardRefused(f"the label {label} is taken by another task")
        while not label:
            (row,) = await run("next_of_kind", kind=task.kind)
            label = f"{task.kind}-{row['last']}"
            if await run("task", label=label):
                label = ""
        return label

    async def busy(self) -> bool:
        """See `TaskQueue.busy`."""
        return bool((await self._database.read("busy", self._trial))[0]["busy"])

    async def put_when_empty(self, task: NewTask, *, by: str) -> Task | None:
        """See `TaskQueue.put_when_empty`."""
        self._check([task], by)

        async def body(run: Run) -> Task | None:
            if (
                (await run("closed"))[0]["closed"]
                or (await run("busy"))[0]["busy"]
                or await run("task_of_key", key=limits.task_key(task))
            ):
                return None
            return (await self._put(run, [task], by))[0]

        return await self._database.write(body, self._trial, alone=True)

    # -- claims ----------------------------------------------------------------------------------

    async def claim(self, agent: str, *, lease_s: float) -> Claim | None:
        """See `TaskQueue.claim`. An agent that has not joined joins by claiming."""
        limits.check_agent(agent)

        async def body(run: Run) -> Claim | None:
            await run("alive", agent=agent, lease_s=lease_s)
            for held in await run("held", agent=agent):
                if not held["lapsed"]:
                    return None
                await run("lose", task_id=held["task_id"])  # who asks for another has given it up
            return await self._claim(run, agent, lease_s)

        return await self._database.write(body, self._trial)

    async def _claim(self, run: Run, agent: str, lease_s: float) -> Claim | None:
        """For an agent that holds nothing."""
        rows = await run("first", agent=agent, lease_s=lease_s)
        if not rows:
            await run("alive", agent=agent, lease_s=lease_s)
            rows = await run("best", agent=agent)
            for best in rows:
                if best["was"] == "claimed":
                    await run("lose", task_id=best["task_id"])
        for row in rows:
            await run("claim", task_id=row["task_id"], agent=agent, lease_s=lease_s)
            task = task_of(row)
            return Claim(task=task, agent=agent, fence=task.attempts)
        return None

    async def renew(self, claim: Claim, *, lease_s: float) -> None:
        """See `TaskQueue.renew`. A lease that ran out can be renewed until another agent claims."""

        async def body(run: Run) -> None:
            if not await run("renew", **fenced(claim), lease_s=lease_s):
                raise LeaseLost(claim.task.label)
            await run("alive", agent=claim.agent, lease_s=lease_s)

        await self._database.write(body, self._trial)

    async def finish(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
    ) -> list[Task]:
        """See `TaskQueue.finish`."""
        self._check(then, claim.agent)
        said = limits.result_in_json(result or {})

        async def body(run: Run) -> list[Task]:
            return await self._finish(run, claim, state, said, then)

        return await self._database.write(body, self._trial, alone=bool(then))

    async def finish_and_claim(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
        lease_s: float,
    ) -> tuple[list[Task], Claim | None]:
        """See `TaskQueue.finish_and_claim`. One commit instead of two."""
        self._check(then, claim.agent)
        said = limits.result_in_json(result or {})

        async def body(run: Run) -> tuple[list[Task], Claim | None]:
            added = await self._finish(run, claim, state, said, then)
            return added, await self._claim(run, claim.agent, lease_s)

        return await self._database.write(body, self._trial, alone=bool(then))

    async def _finish(
        self, run: Run, claim: Claim, state: str, said: str, then: Sequence[NewTask]
    ) -> list[Task]:
        if not await run("finish_alone", **fenced(claim), state=state, result=said):
            rows = await run("finish", **fenced(claim), state=state, result=said)
            if not rows:
                raise LeaseLost(claim.task.label)
            if state == "done":
                await run("unblock", task_id=rows[0]["task_id"])
            else:
                await run("cancel_waiting", task_id=rows[0]["task_id"], reason=_why(rows[0]))
        return await self._put(run, then, claim.agent) if then else []

    async def release(self, claim: Claim, *, reason: str) -> None:
        """See `TaskQueue.release`. In a closed trial the task is cancelled."""
        reason = limits.cut(reason, limits.MOST_TEXT)
        await self._database.run("release", self._trial, **fenced(claim), reason=reason)

    async def release_waiting(self, label: str, *, besides: str = "") -> None:
        """Once; a second time, or for a task that has ended, it does nothing."""

        async def body(run: Run) -> None:
            await run("release_waiting", label=label, besides=besides)
            await run("need_less", label=label, besides=besides)

        await self._database.write(body, self._trial, alone=True)

    # -- ends ------------------------------------------------------------------------------------

    async def cancel(self, label: str, *, by: str, reason: str) -> bool:
        """See `TaskQueue.cancel`."""
        limits.check_length("a name", by, limits.MOST_NAME)
        reason = limits.cut(reason, limits.MOST_TEXT)

        async def body(run: Run) -> bool:
            rows = await run("cancel", label=label, by=by, reason=reason)
            for row in rows:
                await run("cancel_waiting", task_id=row["task_id"], reason=_why(row))
            return bool(rows)

        return await self._database.write(body, self._trial, alone=True)

    async def close(self, *, by: str, reason: str) -> None:
        """See `TaskQueue.close`. A second call does nothing. Claimed tasks may be finished."""
        limits.check_length("a name", by, limits.MOST_NAME)
        reason = limits.cut(reason, limits.MOST_TEXT)

        async def body(run: Run) -> None:
            if await run("close", by=by, reason=reason):
                await run("cancel_open", by=by, reason="the trial is closed")

        await self._database.write(body, self._trial, alone=True)

    # -- reading ---------------------------------------------------------------------------------

    async def closed(self) -> bool:
        """See `TaskQueue.closed`."""
        return bool((await self._database.read("closed", self._trial))[0]["closed"])

    async def tasks(self) -> list[Task]:
        """See `TaskQueue.tasks`."""
        return [task_of(row) for row in await self._database.read("tasks", self._trial)]


def fenced(claim: Claim) -> dict[str, Any]:
    """What a statement asks for that only the holder of a claim may do."""
    return {"label": claim.task.label, "agent": claim.agent, "fence": claim.fence}


def _why(row: Row) -> str:
    return f"it waits for {row['label']}, which is {row['state']}"
