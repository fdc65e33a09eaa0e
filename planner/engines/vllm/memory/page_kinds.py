"""The kinds of page that vLLM's KV cache manager knows, and how many blocks a request holds of each.

One frozen class a kind, as in vllm/v1/kv_cache_interface.py of vLLM 0.33.0. Blocks are the manager's: a page
is what one layer stores in one block on one rank.
"""

from __future__ import annotations

from planner.errors import UnsupportedError
from planner.fast_dataclass import dataclass, replace


@dataclass(frozen=True, slots=True)
class Lengths:
    """What decides how many blocks a request can hold at once."""

    length: int  # tokens of a request: max_model_len
    in_flight: int  # tokens scheduled but not settled: batches in flight × max_num_batched_tokens
    dcp: int = 1  # decode context parallel ranks


@dataclass(frozen=True, slots=True)
class FullPage:
    """Full attention and MLA: every token of the request."""

    block: int  # tokens
    page: int  # bytes
    latent: bool = False

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request of full length holds."""
        local = -(-at.length // at.dcp)  # tokens are spread over the decode context parallel ranks
        return -(-local // self.block)


@dataclass(frozen=True, slots=True)
class WindowPage:
    """A sliding window: the window and what is in flight; one more block as it may start inside one."""

    block: int
    page: int
    window: int

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request of full length holds."""
        return -(-min(self.window - 1 + at.in_flight, at.length) // self.block) + 1


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """Chunked local attention (Llama 4): one chunk and what is in flight."""

    block: int
    page: int
    chunk: int

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request of full length holds."""
        return -(-min(self.chunk + at.in_flight, at.length) // self.block)


@dataclass(frozen=True, slots=True)
class StatePage:
    """A recurrent state: a fixed number of blocks a request, whatever its length."""

    block: int
    page: int
    per_request: int

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request holds."""
        return self.per_request


Page = FullPage | WindowPage | ChunkPage | StatePage


@dataclass(frozen=True, slots=True)
class PagedLayers:
    """Layers that keep the same page: their places in the model (MTP layers come after the last)."""

    page: Page
    layers: tuple[int, ...]
    packed: bool = False  # pages of different sizes lie side by side in a block (DeepSeek V4, GLM-5.3-Flash)
    stride: int = 1  # bytes that blocks must lie apart a multiple of, where they are packed


def resized(page: Page, largest: int) -> Page:
    """Bring a page to the size that all layers share (unify_kv_cache_spec_page_size).

    Where the largest is a multiple, more tokens go into a block; else the page is padded.
    """
    if page.page == largest:
        return page
    if not isinstance(page, StatePage) and largest % page.page == 0:
        return replace(page, block=page.block * (largest // page.page), page=largest)
    if isinstance(page, FullPage) and page.latent:
        raise UnsupportedError("vLLM has no page size that this model's latent attention shares")
    return replace(page, page=largest)
