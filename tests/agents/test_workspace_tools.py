"""One setting of the run says with which tools an agent of any system works."""

import pytest
from played_alone import PlayedTrial as AloneTrial
from played_alone import said
from played_central import SUBMIT, back, one, script
from played_central import PlayedTrial as CentralTrial
from played_team import played, team

from agents.centralized.orchestrator import Centralized
from agents.single import Independent, Single
from harness.board.vocabulary import ToolName
from harness.types import WORKSPACE_TOOLS

SETTINGS = [("bash",), ("bash", "edit"), ("bash", "edit", "view")]
DONE = said(("finish", {"summary": "done"}))


def names(offered) -> tuple[str, ...]:
    return tuple(tool["function"]["name"] for tool in offered)


def workspace(offered) -> tuple[str, ...]:
    return tuple(name for name in names(offered) if name in WORKSPACE_TOOLS)


def test_the_words_of_the_setting_are_names_of_tools():
    assert set(WORKSPACE_TOOLS) <= set(ToolName)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("system", [Single(), Independent()])
async def test_agents_alone_have_the_tools_of_the_run_and_an_end(system, setting):
    trial = AloneTrial([DONE], agents=2, agent_tools=setting)
    await system.run(trial)
    assert {names(offered[0]) for offered in trial.tools.values()} == {(*setting, "finish")}


@pytest.mark.parametrize("setting", SETTINGS)
async def test_subagents_have_the_tools_of_the_run_and_the_orchestrator_is_told(setting):
    plans = {"main": [one("Find it."), SUBMIT, SUBMIT], "sub-1.1": [back()]}
    trial = CentralTrial(script(plans), agents=1, agent_tools=setting)
    await Centralized().run(trial)
    assert names(trial.tools["sub-1.1"][0]) == (*setting, "finish")
    assert workspace(trial.tools["main"][0]) == ()
    told = trial.prompts["main"][0][0]["content"]
    assert ("a shell and an editor" in told) == ("edit" in setting)


@pytest.mark.parametrize("setting", SETTINGS)
async def test_every_conversation_of_a_team_has_the_tools_of_the_run(tmp_path, setting):
    with played(tmp_path) as trial:
        trial.agent_tools = setting
        await team().run(trial)
        tools = {workspace(prompt[0]) for prompts in trial.prompts.values() for prompt in prompts}
    assert tools == {setting}
