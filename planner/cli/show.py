"""`planner show`: one model in full - what it is, what one may do with it, where to get it, what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli import completion
from planner.cli.options import JsonOption
from planner.cli.output import print_heading, print_json, print_line, print_wrapped
from planner.errors import PlannerError
from planner.units import context_text, gib, size_text

if TYPE_CHECKING:
    from planner.models.catalogue.card import ModelCard
    from planner.models.catalogue.catalogue import Entry

_CONTEXTS = (8_192, 32_768, 131_072)


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
    from planner.models.catalogue.catalogue import card_of, find_entry

    entry = find_entry(name)
    card = card_of(entry)
    if json:
        from planner.documents.catalogue import card_document

        print_json(card_document(entry, card))
        return 0
    _head(entry, card)
    _licence(card)
    _memory(entry)
    _files(entry, card)
    _scores(entry, card)
    _sources(entry, card)
    return 0


def _head(entry: Entry, card: ModelCard) -> None:
    from planner.cli.models import params_text

    print_heading(f"{entry.short_name}  ({entry.id})")
    print_wrapped(f"{entry.vendor}, {entry.family}, released {entry.released or 'at an unknown date'}", "  ")
    nominal = f" - {card.parameters.nominal}" if card.parameters.nominal else ""
    print_wrapped(f"Parameters: {params_text(entry)}{nominal}", "  ")
    if entry.context:
        longer = (
            f", {context_text(entry.context_extended)} extended by the vendor's method"
            if entry.context_extended > entry.context
            else ""
        )
        note = f" ({card.context.note})" if card.context.note else ""
        print_wrapped(f"Context: {context_text(entry.context)}{longer}{note}", "  ")
    can = ", ".join(entry.capabilities) or "text only"
    languages = card.capabilities.languages
    spoken = f"; languages: {', '.join(languages)}" if languages else ""
    print_wrapped(f"Can: {can}{spoken}", "  ")
    if entry.superseded_by:
        print_wrapped(f"Replaced by {entry.superseded_by}", "  ")
    print_line()


def _licence(card: ModelCard) -> None:
    from planner.models.catalogue.licences import explain, licence_class

    print_heading(f"Licence: {card.licence.name} ({licence_class(card.licence.name)})")
    for line in explain(card.licence.name, card.licence.note, card.licence.link):
        print_wrapped(line, "  ", "- ")
    print_line()


def _memory(entry: Entry) -> None:
    from planner.advice.plan.comparison import cache_bytes

    print_heading("Memory")
    try:
        arch = entry.architecture()
    except PlannerError as error:
        print_wrapped(str(error), "  ")
        print_line()
        return
    mtp = f" and {arch.n_layer_mtp} MTP" if arch.n_layer_mtp else ""
    print_wrapped(
        f"{arch.n_layer} layers{mtp}, hidden size {arch.hidden_size:,}, vocabulary {arch.vocab_size:,}, "
        f"{arch.parameters():,} parameters in the language model",
        "  ",
    )
    caches = ", ".join(
        f"{gib(cache_bytes(arch, n), 2)} at {context_text(n)}"
        for n in _CONTEXTS
        if not entry.context or n <= max(entry.context, entry.context_extended)
    )
    if caches:
        print_wrapped(f"Cache of one user, 16 bit: {caches}", "  ")
    for note in arch.notes:
        print_wrapped(note, "  ", "! ")
    print_line()


def _files(entry: Entry, card: ModelCard) -> None:
    from planner.models.catalogue.refresh import refreshed

    print_heading("Files")
    fresh = refreshed(entry.id)
    for file in entry.files:
        known = fresh.sizes(file.repo) if fresh else {}
        sizes = {**file.sizes, **known}
        quants = list(sizes) or list(file.quants)
        text = ", ".join(f"{q} {size_text(sizes[q])}" if q in sizes else q for q in quants[:8])
        more = f" and {len(quants) - 8} more (--json has all)" if len(quants) > 8 else ""
        print_wrapped(f"{file.repo} ({file.format}){': ' if text else ''}{text}{more}", "  ", "- ")
    for tag in card.ollama:
        size = size_text(tag.bytes) if tag.bytes else f"about {tag.approx_gb:g} GB" if tag.approx_gb else ""
        detail = " ".join(word for word in (tag.quant, size) if word)
        print_wrapped(f"ollama {tag.tag}{': ' if detail else ''}{detail}", "  ", "- ")
    if fresh:
        print_wrapped(f"Sizes from the hub, asked {fresh.asked}.", "  ")
    if card.vllm and card.vllm.min_version:
        parser = f", tool parser {card.vllm.tool_parser}" if card.vllm.tool_parser else ""
        print_wrapped(f"vLLM {card.vllm.min_version} or newer{parser}", "  ")
    print_line()


def _scores(entry: Entry, card: ModelCard) -> None:
    print_heading("Scores")
    rows = [
        (use.replace("_", " "), "-" if points is None else f"{points:g}", entry.evidence(use))
        for use, points in entry.scores.items()
    ]
    for use, points, evidence in rows:
        print_wrapped(f"{use}: {points} ({evidence})", "  ", "- ")
    if card.benchmarks:
        print_line()
        print_wrapped("Published:", "  ")
        for b in card.benchmarks:
            variant = f", {b.variant}" if b.variant else ""
            print_wrapped(f"{b.name}: {b.value:g} ({b.by}, {b.date}{variant})", "  ", "- ")
    print_line()


def _sources(entry: Entry, card: ModelCard) -> None:
    print_heading("How this is known")
    print_wrapped(f"shape: {card.architecture.source}", "  ", "- ")
    if card.parameters.source:
        print_wrapped(f"parameters: {card.parameters.source}", "  ", "- ")
    if card.parameters.note:
        print_wrapped(f"parameters: {card.parameters.note}", "  ", "- ")
    if card.licence.source:
        print_wrapped(f"licence: {card.licence.source}", "  ", "- ")
    checked = entry.verified or "nothing yet: it is never recommended first"
    print_wrapped(f"checked against: {checked}", "  ", "- ")
