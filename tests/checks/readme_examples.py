#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the code blocks of a Markdown file with regions of the examples that are compiled.

A block that follows the line `<!-- example: path#tag -->` must be the text between the lines
`//[tag` and `//]` of that file, without the indentation that all its lines share.

    readme_examples.py MARKDOWN ROOT
    readme_examples.py --self-test
"""

import pathlib
import re
import sys
import tempfile
import textwrap

MARK = re.compile(r"<!--\s*example:\s*(?P<path>[^#\s]+)#(?P<tag>[\w-]+)\s*-->")
MAX_QUICKSTART_LINES = 25


def region(text, tag):
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.strip() == f"//[{tag}"]
    if len(starts) != 1:
        raise ValueError(f"has {len(starts)} regions '{tag}'")
    inside = []
    for line in lines[starts[0] + 1:]:
        if line.strip() == "//]":
            return textwrap.dedent("\n".join(inside)).strip("\n")
        if not re.match(r"\s*//(\[[\w-]+|\])$", line):
            inside.append(line)
    raise ValueError(f"region '{tag}' has no end")


def problems(markdown, root):
    lines = markdown.splitlines()
    marks = 0
    for number, line in enumerate(lines, 1):
        match = MARK.search(line)
        if not match:
            if "example:" in line and line.lstrip().startswith("<!--"):
                yield f"{number}: not a mark: {line.strip()}"
            continue
        marks += 1
        name = f"{match['path']}#{match['tag']}"
        block = block_after(lines, number)
        if block is None:
            yield f"{number}: no code block after the mark of {name}"
            continue
        try:
            wanted = region((root / match["path"]).read_text(encoding="utf-8"), match["tag"])
        except (OSError, ValueError) as error:
            yield f"{number}: {match['path']}: {error}"
            continue
        if block != wanted:
            yield f"{number}: the block is not {name}, which is:\n{wanted}"
        if match["tag"] == "quickstart" and len(block.splitlines()) > MAX_QUICKSTART_LINES:
            yield f"{number}: the quickstart has more than {MAX_QUICKSTART_LINES} lines"
    if marks == 0:
        yield "0: no block is marked as an example"


def block_after(lines, number):
    rest = lines[number:]
    while rest and not rest[0].strip():
        rest = rest[1:]
    if not rest or not rest[0].startswith("```"):
        return None
    inside = []
    for line in rest[1:]:
        if line.startswith("```"):
            return "\n".join(inside)
        inside.append(line)
    return None


def self_test():
    source = "int a;\n  //[one\n  int b;\n    int c;\n  //]\n//[open\n"
    mark = "<!-- example: x.cpp#{} -->\n```cpp\n{}\n```\n"
    cases = [
        (mark.format("one", "int b;\n  int c;"), False),
        ("text\n\n" + mark.format("one", "int b;\n  int c;") + "```cpp\nother\n```\n", False),
        (mark.format("one", "int b;\nint c;"), True),
        (mark.format("one", "int b;"), True),
        (mark.format("two", "int b;"), True),
        (mark.format("open", ""), True),
        (mark.format("one", "int b;\n  int c;").replace("x.cpp", "y.cpp"), True),
        (mark.format("one", "int b;\n  int c;").replace("#one", ""), True),
        ("<!-- example: x.cpp#one -->\ntext\n", True),
        ("```cpp\nint b;\n```\n", True),
    ]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "x.cpp").write_text(source, encoding="utf-8")
        for text, bad in cases:
            if bool(list(problems(text, root))) != bad:
                print(f"{'not found' if bad else 'found'}: {text}")
                failed = True
    print(f"{len(cases)} cases")
    return 1 if failed else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    markdown, root = (pathlib.Path(argument) for argument in arguments)
    found = list(problems(markdown.read_text(encoding="utf-8"), root))
    for problem in found:
        print(f"{markdown}:{problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
