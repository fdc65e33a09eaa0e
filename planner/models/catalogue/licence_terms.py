"""What each licence allows and asks, in plain words: the facts that planner.models.catalogue.licences answers from."""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Licence:
    """What a licence means for somebody who runs the model."""

    name: str
    kind: str  # permissive, commercial, restricted or research
    may: tuple[str, ...]
    must: tuple[str, ...]
    must_not: tuple[str, ...] = ()
    open_source: bool = False  # satisfies the Open Source Definition
    certain: bool = True  # False: the text was not read; terms from secondary sources


_ANY: Final = "use it for anything, also commercially, change it and pass it on"
_OWN: Final = "use, change and pass it on, also commercially"
_KEEP: Final = "pass on the licence text and the copyright notice with copies"
_LLAMA_MAU: Final = (
    "ask Meta for a licence where your products had more than 700 million monthly users when it was released"
)
_LLAMA_POLICY: Final = "keep to Meta's acceptable use policy and pass on the licence and its notice"
_EU: Final = "use the multimodal models when you, or your company's seat, are in the European Union"
_GEMMA: Final = (
    Licence(
        "Gemma Terms of Use",
        "commercial",
        (_OWN, "keep the rights in what it writes"),
        (
            "pass on the terms and the prohibited use policy, and bind those who get it from you to them",
            "mark changed files as changed",
        ),
        ("use it for what the prohibited use policy excludes; Google may restrict use that breaks it",),
    ),
)


def _llama(version: str, *, built_with: str, train: bool, name_rule: bool, eu: bool) -> Licence:
    must = [_LLAMA_MAU, _LLAMA_POLICY]
    if built_with:
        must.append(f'show "{built_with}" where you offer a product made with it')
    if name_rule:
        must.append('begin the name of a model that you make from it with "Llama"')
    must_not = () if train else ("use what it writes to improve other large language models",)
    return Licence(
        f"{version} Community License",
        "commercial",
        (_OWN,),
        tuple(must),
        (*must_not, *((_EU,) if eu else ())),
    )


LICENCES: Final = (
    Licence(
        "Apache-2.0",
        "permissive",
        (_ANY, "rely on a licence to the contributors' patents"),
        (
            _KEEP + ", and a NOTICE file where there is one",
            "say in changed files that you changed them",
        ),
        ("use the vendor's trademarks; the patent licence ends if you sue over patents in it",),
        open_source=True,
    ),
    Licence("MIT", "permissive", (_ANY,), (_KEEP,), open_source=True),
    Licence(
        "OpenMDW-1.1",
        "permissive",
        (_ANY, "do as you like with what it writes"),
        ("pass on the agreement and the notices of origin with copies",),
        ("sue over rights in the model: the licence would end",),
    ),
    Licence(
        "Kimi Modified MIT",
        "commercial",
        (_OWN,),
        (
            _KEEP,
            'show the model\'s name (such as "Kimi K2") in the user interface of a commercial product with more '
            "than 100 million monthly users or 20 million US dollars of monthly revenue",
        ),
    ),
    Licence(
        "Kimi K3 License",
        "restricted",
        ("use, change and pass it on",),
        (
            _KEEP,
            "offering the model as a service above 20 million US dollars a year needs an agreement, and large "
            "products must name the model",
        ),
        certain=False,
    ),
    Licence(
        "MiniMax Modified MIT",
        "commercial",
        (_OWN,),
        (
            _KEEP,
            'show the model\'s name (such as "MiniMax M2") in the user interface of a commercial product',
        ),
    ),
    Licence(
        "MiniMax Non-Commercial License",
        "research",
        ("use, change and pass it on for non-commercial purposes",),
        ("ask MiniMax in writing before any commercial use", 'show "Built with" and the model\'s name'),
        ("use it commercially without that authorisation, or for military purposes",),
    ),
    Licence(
        "MiniMax Community License",
        "restricted",
        ("use it freely for non-commercial purposes", "use it commercially after sending a notice"),
        (
            'show "Built with" and the model\'s name in commercial products',
            "ask in writing first above 20 million US dollars of yearly revenue",
        ),
        certain=False,
    ),
    Licence(
        "Mistral Modified MIT",
        "restricted",
        ("use, change and pass it on; the vendor's modification limits large companies",),
        (_KEEP, "read the modification: it was not available when this was written"),
        certain=False,
    ),
    Licence(
        "Mistral Research License",
        "research",
        ("use and change it for research and personally, without gain",),
        ("pass on the licence", "buy a commercial licence from Mistral AI for anything else"),
        ("use it, or what it writes, commercially",),
    ),
    Licence(
        "Mistral Non-Production License",
        "research",
        ("test it and do research with it",),
        ("buy a commercial licence from Mistral AI for production",),
        ("use it, or what it writes, in a product or commercially",),
    ),
    _llama("Llama 2", built_with="", train=False, name_rule=False, eu=False),
    _llama("Llama 3", built_with="Built with Meta Llama 3", train=False, name_rule=True, eu=False),
    _llama("Llama 3.1", built_with="Built with Llama", train=True, name_rule=True, eu=False),
    _llama("Llama 3.2", built_with="Built with Llama", train=True, name_rule=True, eu=True),
    _llama("Llama 3.3", built_with="Built with Llama", train=True, name_rule=True, eu=False),
    _llama("Llama 4", built_with="Built with Llama", train=True, name_rule=True, eu=True),
    Licence(
        "LLaMA research licence",
        "research",
        ("use it for research, if Meta gave you access",),
        ("ask Meta for access",),
        ("use it commercially or pass it on",),
    ),
    *_GEMMA,
    Licence(
        "DeepSeek Model License",
        "commercial",
        (_OWN, "keep the rights in what it writes"),
        ("pass on the use restrictions and bind those who get it from you to them", _KEEP),
        ("use it for what its list excludes, such as military purposes or harming minors",),
    ),
    Licence(
        "Qwen License",
        "commercial",
        (_OWN,),
        (
            _KEEP + ' and "Built with Qwen" or "Improved using Qwen" where you make another model with it',
            "ask Alibaba for a licence above 100 million monthly users",
        ),
    ),
    Licence(
        "Tongyi Qianwen License",
        "commercial",
        (_OWN,),
        (_KEEP, "ask Alibaba for a licence above 100 million monthly users"),
        ("use what it writes to improve other large language models",),
    ),
    Licence(
        "Qwen Research License",
        "research",
        ("use and change it for research and evaluation",),
        (_KEEP, 'show "Built with Qwen" where you make another model with it'),
        ("use it commercially without a licence from Alibaba",),
    ),
    Licence(
        "Qwen Community License 1.0",
        "commercial",
        (_OWN,),
        (
            "show the model's name above 100 million monthly users or 20 million US dollars of monthly revenue",
            "agree a separate licence to sell the model as a service or as a work assistant",
        ),
        certain=False,
    ),
    Licence(
        "Qwen3.8-Max License",
        "restricted",
        ("use and change it within the terms",),
        ("read the terms: large businesses need an agreement (about 50 million US dollars is reported)",),
        certain=False,
    ),
    Licence(
        "LFM Open License v1.0",
        "restricted",
        ("use, change and pass it on; commercially below 10 million US dollars of yearly revenue",),
        (_KEEP, "buy a licence from Liquid AI above that revenue"),
    ),
    Licence(
        "NVIDIA Open Model License",
        "commercial",
        (_OWN, "keep the rights in what it writes"),
        ("pass on the agreement and the notice",),
        (
            "remove its guardrails without a replacement of like effect: the licence would end",
            "sue over patents or copyright in the model: the licence would end",
        ),
    ),
    Licence(
        "NVIDIA Nemotron Open Model License",
        "commercial",
        (_OWN, "keep the rights in what it writes"),
        ("pass on the agreement and the notice",),
        ("sue over rights in the model: the licence would end",),
    ),
    Licence(
        "NVIDIA Community Model License",
        "commercial",
        (_OWN,),
        ("pass on the agreement and the notice", "keep to its acceptable use terms"),
        certain=False,
    ),
    Licence(
        "NVIDIA Internal Scientific Research License",
        "research",
        ("use it inside your organisation for research",),
        ("read the licence",),
        ("use it commercially or pass it on",),
    ),
    Licence(
        "CC-BY-NC-4.0",
        "research",
        ("use, change and pass it on without commercial purpose",),
        ("name the author, link the licence, say what you changed", "keep to the vendor's use policy"),
        ("use it commercially without a licence from the vendor",),
    ),
    Licence(
        "EXAONE AI Model License",
        "research",
        ("use and change it for research and education",),
        ("pass on the licence; begin the name of what you make from it with EXAONE",),
        ("use it, or what it writes, commercially without a licence from LG AI Research",),
    ),
    Licence(
        "K-EXAONE License",
        "restricted",
        ("use it within the terms",),
        ("read the terms: they were not available when this was written",),
        certain=False,
    ),
    Licence(
        "Tencent Hunyuan Community License",
        "restricted",
        ("use, change and pass it on, also commercially, outside the regions below",),
        ("ask Tencent above 100 million monthly users", "pass on the agreement and name the model"),
        ("use it in the European Union, the United Kingdom or South Korea",),
    ),
    Licence(
        "ChatGLM3 License",
        "restricted",
        ("use it for research; commercially after registering, free of charge",),
        ("register with Zhipu before commercial use", _KEEP),
        ("use it for military or illegal purposes",),
    ),
    Licence(
        "GLM-4 License",
        "restricted",
        ("use it for research; commercially after registering, free of charge",),
        ("register with Zhipu before commercial use", "show the model's name as the licence says"),
        ("use it for military or illegal purposes",),
    ),
    Licence(
        "GLM-5.3 License",
        "commercial",
        (_OWN,),
        (
            _KEEP,
            "pass a security review by Z.ai before hosting it, if your group's revenue exceeds 10 billion US "
            "dollars",
        ),
        certain=False,
    ),
    Licence(
        "Upstage Solar License",
        "commercial",
        (_OWN,),
        ("name the model as the licence says", _KEEP),
        certain=False,
    ),
    Licence(
        "Falcon LLM License",
        "commercial",
        (_OWN,),
        ("keep to the acceptable use policy and pass it on", "name TII and the licence in what you publish"),
    ),
    Licence(
        "Grok 2 Community License",
        "restricted",
        ("use it for research; commercially below 1 million US dollars of yearly revenue",),
        ("name xAI, keep to its use policy",),
        ("use it to train other foundation models",),
    ),
    Licence(
        "Databricks Open Model License",
        "commercial",
        (_OWN,),
        (
            "ask Databricks for a licence above 700 million monthly users",
            "pass on the licence and keep to its acceptable use policy",
        ),
        ("use what it writes to improve other large language models",),
    ),
    Licence(
        "BigScience BLOOM RAIL 1.0",
        "commercial",
        (_OWN,),
        ("pass on the use restrictions and bind those who get it from you to them",),
        ("use it for what its list excludes",),
    ),
    Licence(
        "BigCode OpenRAIL-M",
        "commercial",
        (_OWN,),
        ("pass on the use restrictions and bind those who get it from you to them",),
        ("use it for what its list excludes",),
    ),
)
