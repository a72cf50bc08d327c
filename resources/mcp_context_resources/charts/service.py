"""Charts as the server sees them: rows and perhaps a specification in, a PNG out."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.charts.composition import layout_of, titled, warned
from mcp_context_resources.charts.design import design
from mcp_context_resources.charts.field_resolution import fitted
from mcp_context_resources.charts.spec import Drawing
from mcp_context_resources.charts.theme import SYSTEM_FONT_FOLDERS, font_folders, theme
from mcp_context_resources.errors import ChartsUnavailableError, WorkerCrashedError
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from mcp_context_resources.charts.data import ChartData
    from mcp_context_resources.charts.settings import ChartSettings
    from mcp_context_resources.charts.spec import Picture

_DRAW: Final[WorkerFunction[Picture, Drawing]] = WorkerFunction("mcp_context_resources.charts.vega_engine.render:draw")
_MAX_PIXELS: Final = 2_600_000


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its picture, the Vega-Lite that made it (without rows), and what a reader of it should know."""

    picture: Picture
    vega_lite: dict[str, Any]
    notes: list[str]


class Charts:
    """The chart renderer."""

    def __init__(self, settings: ChartSettings) -> None:
        self.settings = settings
        self._fonts = font_folders()
        self._pool = WorkerPool(
            "chart",
            size=1,
            confinement=Confinement(
                readable=(*self._fonts, *SYSTEM_FONT_FOLDERS),
                memory_bytes=settings.worker_memory_mb << 20,
                cap_address_space=False,
                cap_data=True,
                socket_pairs=True,
            ),
            preload=(_DRAW.module,),
        )

    async def aclose(self) -> None:
        """Stop the renderer's process."""
        await self._pool.aclose()

    def check_installed(self) -> None:
        """Raise `ChartsUnavailableError` when the renderer isn't installed."""
        if importlib.util.find_spec("vl_convert") is None:
            raise ChartsUnavailableError(
                "The chart renderer isn't installed.", "Install it: pip install 'fresh-context[charts]'"
            )

    async def render(
        self,
        data: ChartData,
        vega_lite: dict[str, Any] | None,
        *,
        ordered: bool,
        title: str | None = None,
        warning: str | None = None,
    ) -> Chart:
        """Draw `data` as `vega_lite` (checked by `check_vega_lite`) says, or as its columns suggest.

        `ordered` tells whether the order of the rows means something; `warning` is written above the chart.

        Raises `InvalidInputError` for data or a specification that can't be drawn, and the workers' errors.
        """
        self.check_installed()
        if vega_lite is None:
            chosen = design(data, ordered=ordered)
            spec, notes = chosen.vega_lite, chosen.notes
        else:
            spec, notes = fitted(vega_lite, data)
        spec = titled(spec, title)
        drawing = Drawing(
            vega_lite=data.inject(warned(spec, warning)),
            theme=theme(layout_of(spec)),
            fonts=self._fonts,
            max_pixels=_MAX_PIXELS,
            max_bytes=self.settings.max_image_kb * 1000,
        )
        try:
            picture = await self._pool.run(_DRAW, drawing, deadline=self.settings.deadline_seconds)
        except WorkerCrashedError as error:
            raise WorkerCrashedError(
                "The chart renderer gave up on this chart, most likely for want of memory; a new one takes its place.",
                "Draw less: aggregate in SQL, and keep bins, sequences and expressions small.",
            ) from error
        return Chart(picture, spec, notes)
