"""The projector of a vision model: it makes vectors of a picture, which the model reads like those of tokens."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import llama_cpp
from llama_cpp import mtmd_cpp

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError
from mcp_context_resources.models.llama import llama_log
from mcp_context_resources.models.llama.batch import MAX_BATCH
from mcp_context_resources.models.llama.loaded_model import Aborted
from mcp_context_resources.models.llama.pictures import no_picture

if TYPE_CHECKING:
    from mcp_context_resources.models.llama.loaded_model import Held
    from mcp_context_resources.models.spec import ModelSpec
    from mcp_context_resources.workers.job import Job

_LOOK_EVERY: Final = 4
"""How many operations on a picture are done between two looks at whether to stop."""


class Projector:
    """What a model sees through, in memory until the model is freed.

    Raises `InvalidInputError` for a model without one, `ModelUnavailableError` for a file that doesn't fit the model.
    """

    def __init__(self, held: Held) -> None:
        spec = held.spec
        if not spec.projector:
            raise InvalidInputError(
                f"{spec.name!r} is no vision model: it can't look at pictures.",
                "Name a model that has a projector (mmproj) file beside it.",
            )
        for set_log in (mtmd_cpp.mtmd_log_set, mtmd_cpp.mtmd_helper_log_set):
            llama_log.listen_to(set_log)
        self._job: Job | None = None
        self._operations = 0
        self._watch = llama_cpp.ggml_backend_sched_eval_callback(self._goes_on)
        parameters = mtmd_cpp.mtmd_context_params_default()
        parameters.use_gpu = held.device == "gpu"
        parameters.print_timings = False
        parameters.n_threads = spec.threads
        parameters.cb_eval = self._watch
        self.native = mtmd_cpp.mtmd_init_from_file(spec.projector.encode(), held.model, parameters)
        if self.native is None:
            file = Path(spec.projector).name
            complaint = llama_log.last_complaint().replace(spec.projector, file).splitlines()[0]
            raise _unfit(spec, complaint.removeprefix("error: "))
        if not mtmd_cpp.mtmd_support_vision(self.native):
            mtmd_cpp.mtmd_free(self.native)
            raise _unfit(spec, "it is made for sound")
        held.when_closed(lambda: mtmd_cpp.mtmd_free(self.native))

    def _goes_on(self, _tensor: Any, ask: bool, _data: Any) -> bool:
        """Tell, asked before an operation, whether to be called after it; called after it, whether to go on."""
        if ask:
            self._operations += 1
            return self._operations % _LOOK_EVERY == 0
        return self._job is None or not self._job.should_stop

    def bitmap(self, picture: bytes, number: int) -> Any:
        """Decode a picture; whoever calls frees it.

        Raises `InvalidInputError`.
        """
        data = (ctypes.c_uint8 * len(picture)).from_buffer_copy(picture)
        found = mtmd_cpp.mtmd_helper_bitmap_init_from_buf(self.native, data, len(picture), False)
        if found is None:
            raise no_picture(number)
        return found

    def look(self, job: Job, held: Held, chunk: Any, position: int, sequence: int) -> int:
        """Let a sequence of the model's context go on with a picture at a position; returns the position behind it.

        Raises `Aborted` when the job must stop.
        """
        self._job = job
        try:
            code = mtmd_cpp.mtmd_encode_chunk(self.native, chunk)
        finally:
            self._job = None
        if code == 0 and not job.should_stop:
            behind = llama_cpp.llama_pos(0)
            vectors = mtmd_cpp.mtmd_get_output_embd(self.native)
            with held.threads.measured():
                code = mtmd_cpp.mtmd_helper_decode_image_chunk(
                    self.native, held.context, chunk, vectors, position, sequence, MAX_BATCH,
                    ctypes.byref(behind), _NO_CALLBACK, None,
                )  # fmt: skip
            if code == 0:
                return behind.value
        if job.should_stop:
            raise Aborted
        raise RuntimeError(f"a picture can't be read ({code}): {llama_log.last_complaint()}")


def _unfit(spec: ModelSpec, why: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The projector {Path(spec.projector).name} doesn't fit {spec.name!r}: {why}.",
        "Put the projector (mmproj) that was made for this model beside it, and no other.",
    )


_NO_CALLBACK: Final = mtmd_cpp.mtmd_helper_post_decode_callback()
