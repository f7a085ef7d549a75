"""TensorBoard: what its own reader sees of runs that were killed and continued."""
import signal
import subprocess
import time

from common import Failed, equal
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.util import tensor_util


def killed_and_continued(work, name, command, more, kills):
    """A run that is killed once it has recorded so many steps, and continued each time from what it had saved."""
    log = work.dir / name / "metrics.jsonl"
    for i, (steps, how) in enumerate([*kills, (None, None)]):
        start = more if i == 0 else ["--resume"]
        process = subprocess.Popen([work.program, command, *map(str, start), "--quiet", "-o", name], cwd=work.dir, stderr=subprocess.PIPE, text=True)
        while steps is not None and process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= steps:
                process.send_signal(how)
                break
            time.sleep(0.002)
        errors = process.communicate()[1]
        expected = {None: 0, signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}[how]
        if process.returncode != expected:
            raise Failed(f"nfcot {command} -o {name}: exit code {process.returncode}; expected {expected}: {errors}")


def curve(work, name, tag, key, steps):
    """Both readers see every step once, with the values of metrics.jsonl."""
    everything = {"scalars": 0, "tensors": 0}
    old = EventAccumulator(str(work.dir / name), size_guidance=everything).Reload()
    new = PluginAccumulator(str(work.dir / name), size_guidance=everything).Reload()
    lines = work.metrics(name)
    expected = [(line["step"], round(line[key], 4)) for line in lines]
    equal("steps of metrics.jsonl", [step for step, _ in expected], list(range(1, steps + 1)))
    equal(f"{tag} by EventAccumulator", [(e.step, round(e.value, 4)) for e in old.Scalars(tag)], expected)
    equal(f"{tag} by its successor", [(e.step, round(float(tensor_util.make_ndarray(e.tensor_proto)), 4)) for e in new.Tensors(tag)], expected)
    return new


def settings(accumulator):
    """The table of hyperparameters."""
    content = accumulator.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}, end.status


def texts(accumulator, tag):
    return [(e.step, tensor_util.make_ndarray(e.tensor_proto)[0].decode()) for e in accumulator.Tensors(tag)]


def train(work):
    steps = 240
    killed_and_continued(work, "curve", "train", [
        "--method", "direct", "--thoughts", work.thoughts(), "--set", f"stages.joint.steps={steps}", "--set", "save_every=20", "--set", "eval_every=80",
    ], [(15, signal.SIGKILL), (50, signal.SIGKILL), (95, signal.SIGINT), (150, signal.SIGKILL)])
    seen = curve(work, "curve", "train/loss", "loss", steps)
    values, status = settings(seen)
    equal("settings", (values["method"], values["stages.joint.lr"], values["model.hidden"], values["stages.joint.freeze_flow"], status), ("direct", 0.004, 64, True, 1))
    [(_, config)] = texts(seen, "config")
    equal("config.yaml as a text", config, "```\n" + (work.dir / "curve" / "config.yaml").read_text() + "```\n")
    samples = texts(seen, "held_out/sample")
    equal("evaluations with a sample", [step for step, _ in samples], [80, 160, steps])
    return f"train: {steps} steps once each after 4 interruptions, {len(values)} settings, config.yaml, {len(samples)} samples"


def rl(work):
    steps = 14
    killed_and_continued(work, "rewards", "rl", [
        "--init", work.trained("direct", "direct"), "--set", f"rl.steps={steps}", "--set", "save_every=3", "--set", "rl.prompts=4", "--set", "rl.problems=20", "--set", "rl.max_tokens=24",
    ], [(2, signal.SIGKILL), (5, signal.SIGKILL), (8, signal.SIGINT)])
    values, _ = settings(curve(work, "rewards", "rl/reward", "reward", steps))
    equal("settings", (values["rl.prompts"], values["rl.objective.clip_epsilon"]), (4, 0.2))
    return f"rl: {steps} steps once each after 3 interruptions, {len(values)} settings"
