"""Print the packages that an installation of tsgan brings along, with their licences, as docs/licences.md lists them.

Ends with 1 if one of them is neither permissive nor a known exception.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|0BSD|BSD|[23]-Clause BSD|BSD-[23]-Clause|NCSA|Apache|Apache-2\.0|ISC|Zlib|CC0-1\.0|BSL-1\.0|"
    r"PSF-2\.0|Python Software Foundation)\b"
)
COPYLEFT = re.compile(r"GPL|AGPL|LGPL|MPL|Mozilla|EPL|CDDL|EUPL|SSPL|CC-BY-(SA|NC)|[Pp]roprietary")
EXCEPTIONS = {
    "certifi": "MPL-2.0: root certificates, unchanged; only the downloads of yfinance use them",
    "peewee": "MIT by its LICENSE file; its metadata name none",
}


def brought_along(name: str) -> list[str]:
    """Names of all packages that one needs here, itself included, without its extras."""
    found: dict[str, None] = {}
    todo = [name]
    while todo:
        key = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if key in found:
            continue
        try:
            requires = distribution(key).requires or []
        except PackageNotFoundError:  # of a backport that this Python does not need
            continue
        found[key] = None
        wanted = map(Requirement, requires)
        todo += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return sorted(found)


def licence(name: str) -> str:
    """Licence of a package in its own words: the expression, the classifiers, or the first line of the text."""
    meta = distribution(name).metadata
    classes = [text.split(" :: ")[-1] for text in meta.get_all("Classifier") or [] if text.startswith("License ::")]
    expression, text = ((meta.get_all(field) or [""])[0] for field in ("License-Expression", "License"))
    return expression or ", ".join(classes) or text.strip().split("\n")[0][:60]


def main() -> int:
    """Print the table; 1 if a licence is not allowed."""
    refused = 0
    for name in brought_along("tsgan"):
        if name == "tsgan" or name.startswith(("cuda-", "nvidia-")):  # see docs/licences.md on builds of torch for CUDA
            continue
        words = licence(name)
        allowed = name in EXCEPTIONS or (PERMISSIVE.search(words) and not COPYLEFT.search(words))
        refused += not allowed
        print(f"| {name} | {EXCEPTIONS.get(name, words)} |" + ("" if allowed else " NOT ALLOWED"))
    return min(refused, 1)


if __name__ == "__main__":
    sys.exit(main())
