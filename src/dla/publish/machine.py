"""What kind of machine this is: enough to judge its times by, and nothing by which it could be found."""

from __future__ import annotations

import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
EXTENSIONS = {"avx512f": "AVX-512", "avx512_bf16": "bfloat16", "amx_bf16": "AMX"}


def this_machine() -> str:
    """Its processor, cores and memory: `AMD EPYC with AVX-512 and bfloat16, 2 cores, 24 GB`."""
    facts = _processor()
    flags = set(facts.get("flags", "").split())
    known = [name for flag, name in EXTENSIONS.items() if flag in flags] or ["AVX2" if "avx2" in flags else ""]
    extensions = " and ".join(filter(None, [", ".join(known[:-1]), known[-1]]))
    processor = facts.get("model name", "a processor of unknown make").split(" @")[0]
    gigabytes = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return f"{processor}{f' with {extensions}' if extensions else ''}, {os.cpu_count()} cores, {gigabytes} GB"


def _processor() -> dict[str, str]:
    """What Linux says of the first processor."""
    if not CPUINFO.exists():
        return {}
    first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0]
    lines = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
