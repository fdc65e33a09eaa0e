"""`planner show`: one model in full - what it is, what one may do with it, where to get it, what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli import completion
from planner.cli.options import JsonOption
from planner.cli.output import print_document, print_heading, print_line, print_wrapped
from planner.units import context_text, gib, size_text

if TYPE_CHECKING:
    from planner.api import ModelPage
    from planner.documents.show import PublishedTag


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A model's name, alias, Ollama tag or Hugging Face id.", autocompletion=completion.models
        ),
    ],
    json: JsonOption = False,
) -> int:
    """One model in full: licence in plain words, memory, files, scores and their sources."""
    from planner.api import show as page_of

    page = page_of(name)
    if json:
        print_document(page)
        return 0
    _head(page)
    _licence(page)
    _memory(page)
    _files(page)
    _scores(page)
    _sources(page)
    return 0


def _head(page: ModelPage) -> None:
    from planner.cli.models import params_text

    entry = page.entry
    print_heading(f"{entry.short_name}  ({entry.id})")
    print_wrapped(f"{entry.vendor}, {entry.family}, released {entry.released or 'at an unknown date'}", "  ")
    nominal = f" - {page.nominal}" if page.nominal else ""
    print_wrapped(f"Parameters: {params_text(entry)}{nominal}", "  ")
    if entry.context:
        longer = (
            f", {context_text(entry.context_extended)} extended by the vendor's method"
            if entry.context_extended > entry.context
            else ""
        )
        note = f" ({page.context_note})" if page.context_note else ""
        print_wrapped(f"Context: {context_text(entry.context)}{longer}{note}", "  ")
    can = ", ".join(entry.capabilities) or "text only"
    spoken = f"; languages: {', '.join(page.languages)}" if page.languages else ""
    print_wrapped(f"Can: {can}{spoken}", "  ")
    if entry.superseded_by:
        print_wrapped(f"Replaced by {entry.superseded_by}", "  ")
    print_line()


def _licence(page: ModelPage) -> None:
    print_heading(f"Licence: {page.entry.licence} ({page.entry.licence_class})")
    for line in page.licence_terms.explanation:
        print_wrapped(line, "  ", "- ")
    print_line()


def _memory(page: ModelPage) -> None:
    print_heading("Memory")
    shape = page.architecture
    if shape is None:
        print_wrapped(page.shape_problem or "", "  ")
        print_line()
        return
    mtp = f" and {shape.mtp_layers} MTP" if shape.mtp_layers else ""
    print_wrapped(
        f"{shape.layers} layers{mtp}, hidden size {shape.hidden_size:,}, vocabulary {shape.vocab_size:,}, "
        f"{shape.parameters:,} parameters in the language model",
        "  ",
    )
    caches = ", ".join(f"{gib(cache.size, 2)} at {context_text(cache.tokens)}" for cache in page.caches)
    if caches:
        print_wrapped(f"Cache of one user, 16 bit: {caches}", "  ")
    for note in shape.notes:
        print_wrapped(note, "  ", "! ")
    print_line()


def _files(page: ModelPage) -> None:
    print_heading("Files")
    for file in page.files:
        sizes = {**file.about, **file.sizes, **page.hub_sizes.get(file.repo, {})}
        quants = list(sizes) or list(file.quants)
        text = ", ".join(f"{q} {size_text(sizes[q])}" if q in sizes else q for q in quants[:8])
        more = f" and {len(quants) - 8} more (--json has all)" if len(quants) > 8 else ""
        more += "; assumed: what this publisher makes of every model" if file.assumed else ""
        print_wrapped(f"{file.repo} ({file.format}){': ' if text else ''}{text}{more}", "  ", "- ")
    for tag in page.ollama:
        detail = " ".join(word for word in (tag.quant, _size(tag)) if word)
        print_wrapped(f"ollama {tag.tag}{': ' if detail else ''}{detail}", "  ", "- ")
    if page.hub_asked:
        print_wrapped(f"Sizes from the hub, asked {page.hub_asked}.", "  ")
    if page.vllm.get("min_version"):
        parser = page.vllm.get("tool_parser")
        named = f", tool parser {parser}" if parser else ""
        print_wrapped(f"vLLM {page.vllm['min_version']} or newer{named}", "  ")
    print_line()


def _size(tag: PublishedTag) -> str:
    if tag.size:
        return size_text(tag.size)
    return f"about {tag.about_gb:g} GB" if tag.about_gb else ""


def _scores(page: ModelPage) -> None:
    print_heading("Scores")
    for use, score in page.entry.judged_scores.items():
        points = "-" if score.points is None else f"{score.points:g}"
        print_wrapped(f"{use.replace('_', ' ')}: {points} ({score.evidence})", "  ", "- ")
    if page.benchmarks:
        print_line()
        print_wrapped("Published:", "  ")
        for b in page.benchmarks:
            variant = f", {b.variant}" if b.variant else ""
            print_wrapped(f"{b.name}: {b.value:g} ({b.by}, {b.date}{variant})", "  ", "- ")
    print_line()


def _sources(page: ModelPage) -> None:
    print_heading("How this is known")
    sources = page.sources
    print_wrapped(f"shape: {sources.architecture}", "  ", "- ")
    if sources.parameters:
        print_wrapped(f"parameters: {sources.parameters}", "  ", "- ")
    if page.parameters_note:
        print_wrapped(f"parameters: {page.parameters_note}", "  ", "- ")
    if sources.licence:
        print_wrapped(f"licence: {sources.licence}", "  ", "- ")
    checked = page.entry.verified or "nothing yet: it is never recommended first"
    print_wrapped(f"checked against: {checked}", "  ", "- ")
