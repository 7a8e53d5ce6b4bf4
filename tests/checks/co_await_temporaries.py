#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds lambdas and braced temporaries that are written in the same full expression as a co_await.

g++ 12 destroys what such a temporary holds twice, so the library has none of them.

    co_await_temporaries.py FILE-OR-FOLDER...     fails when it finds one
    co_await_temporaries.py --expect FILE...      fails unless it finds one exactly in each line
                                                  that has the comment "// bad"
"""

import pathlib
import re
import sys

TOKEN = re.compile(
    r"""
    (?P<blank> \s+ | //(?:\\\n|[^\n])* | /\*.*?\*/ )
  | (?P<literal>
        (?:u8|[uUL])?R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"
      | (?:u8|[uUL])?"(?:\\.|[^"\\\n])*"
      | (?:u8|[uUL])?'(?:\\.|[^'\\\n])*'
    )
  | (?P<number> \.?\d(?:'?[\w.]|[eEpP][+-])* )
  | (?P<name> [A-Za-z_]\w* )
  | (?P<sign> :: | -> | \[\[ | \]\] | . )
    """,
    re.VERBOSE | re.DOTALL,
)

OPEN = {"(": ")", "[": "]", "{": "}", "[[": "]]"}

# After one of these a brace opens a block.
BEFORE_BLOCK = {
    ")", ";", "{", "}", ":", "else", "do", "try", "const", "mutable", "noexcept", "constexpr",
    "consteval", "override", "final", "static",
}
# After one of these names an expression may begin, so that "[" begins a lambda.
BEFORE_EXPRESSION = {
    "return", "co_return", "co_await", "co_yield", "throw", "case", "else", "do", "in", "and", "or",
    "not",
}
DECLARES = {"namespace", "struct", "class", "union", "enum", "extern", "requires"}


class Token:
    def __init__(self, text, line):
        self.text = text
        self.line = line
        self.kind = None  # for "{": "block" or "braces"; for "[": "lambda" or "index"

    def __repr__(self):
        return f"{self.text}@{self.line}"


def without_directives(source):
    """Keeps what a macro is defined as, as a statement of its own, and no other directive."""

    def replace(match):
        directive = match.group(0)
        define = re.match(r"\s*#\s*define\s+\w+(\([^)]*\))?", directive)
        if not define:
            return "\n" * directive.count("\n")
        head = define.group(0)
        body = directive[len(head):].replace("\\\n", " \n")
        return "\n" * head.count("\n") + ";" + body + ";"

    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", replace, source, flags=re.MULTILINE)


def tokenize(source):
    tokens = []
    line = 1
    for match in TOKEN.finditer(source):
        text = match.group(0)
        if match.lastgroup == "blank" or match.group("blank"):
            pass
        elif match.group("literal"):
            tokens.append(Token('""', line))
        else:
            tokens.append(Token(text, line))
        line += text.count("\n")
    return split_double_brackets(tokens)


def split_double_brackets(tokens):
    """`a[b[0]]` ends in two brackets, and is no attribute."""
    out = []
    stack = []
    for token in tokens:
        if token.text in OPEN:
            stack.append(token.text)
            out.append(token)
        elif token.text == "]]" and (not stack or stack[-1] != "[["):
            for _ in range(2):
                if stack:
                    stack.pop()
                out.append(Token("]", token.line))
        else:
            if token.text in (")", "]", "}", "]]") and stack:
                stack.pop()
            out.append(token)
    return out


def match_brackets(tokens):
    """The index of the partner of each bracket."""
    partner = {}
    stack = []
    for i, token in enumerate(tokens):
        if token.text in OPEN:
            stack.append(i)
        elif token.text in (")", "]", "}", "]]"):
            if not stack or OPEN[tokens[stack[-1]].text] != token.text:
                raise ValueError(f"line {token.line}: '{token.text}' without its partner")
            j = stack.pop()
            partner[i] = j
            partner[j] = i
    if stack:
        raise ValueError(f"line {tokens[stack[-1]].line}: bracket is never closed")
    return partner


def statement_head(tokens, partner, i):
    """The tokens before `i` back to the last end of a statement, without what is in brackets."""
    head = []
    i -= 1
    while i >= 0 and tokens[i].text not in (";", "{", "}"):
        if tokens[i].text in ("(", "[", "[[") or tokens[i].text == ",":
            break
        if tokens[i].text in (")", "]", "]]"):
            i = partner[i]
        head.append(tokens[i].text)
        i -= 1
    return head


def is_block(tokens, partner, i):
    before = tokens[i - 1].text if i else ";"
    if before in BEFORE_BLOCK:
        # `f(){}` is a block, `decltype(x){}` is not.
        return not (before == ")" and tokens[partner[i - 1] - 1].text == "decltype")
    if before == "]" and tokens[partner[i - 1]].kind == "lambda":
        return True
    head = statement_head(tokens, partner, i)
    if DECLARES & set(head):
        return True
    # A return type that is written behind: `-> awaitable<void> {`. In brackets or behind "=" the
    # arrow is found as well, for the head ends at neither.
    type_words = []
    for text in head:
        if text == "->":
            return bool(type_words) and type_words[-1] not in ("this",) and follows_parameters(
                tokens, partner, i
            )
        type_words.append(text)
    return False


def follows_parameters(tokens, partner, i):
    """Whether the last arrow before `i` comes after a parameter list, not after an object."""
    depth = 0
    i -= 1
    while i >= 0:
        text = tokens[i].text
        if text in (")", "]", "]]"):
            i = partner[i]
        elif text == ">":
            depth += 1
        elif text == "<":
            depth -= 1
        elif text == "->" and depth <= 0:
            # `object->member{}`: what is behind the arrow of a call `f()->member{}` looks like a
            # type too; a block is what the next token after the braces tells.
            before = tokens[i - 1].text
            return before in (")", "]", "noexcept", "mutable", "constexpr")
        elif text in (";", "{", "}"):
            return False
        i -= 1
    return False


def classify(tokens, partner):
    for i, token in enumerate(tokens):
        if token.text == "[":
            before = tokens[i - 1].text if i else ";"
            subscript = before in (")", "]", '""', "]]") or (
                re.match(r"[A-Za-z_]\w*$", before) and before not in BEFORE_EXPRESSION
            )
            declares_names = before in ("auto", "&") and is_structured_binding(tokens, i)
            token.kind = "index" if subscript or declares_names else "lambda"
        elif token.text == "{":
            token.kind = "block" if is_block(tokens, partner, i) else "braces"


def is_structured_binding(tokens, i):
    while i > 0 and tokens[i - 1].text in ("&", "const"):
        i -= 1
    return i > 0 and tokens[i - 1].text == "auto"


def expression_around(tokens, partner, i):
    """First and last token index of the full expression that token `i` is in."""
    start = i
    while start > 0:
        text = tokens[start - 1].text
        if text == ";" or (text == "{" and tokens[start - 1].kind == "block"):
            break
        if text == "}":
            opening = partner[start - 1]
            if tokens[opening].kind == "block" and not is_lambda_body(tokens, partner, opening):
                break
            start = opening
            continue
        if text in (")", "]", "]]"):
            start = partner[start - 1]
            continue
        start -= 1

    end = i
    while end + 1 < len(tokens):
        text = tokens[end + 1].text
        if text == ";" or (text == "}" and tokens[partner[end + 1]].kind == "block"):
            break
        if text == "{" and tokens[end + 1].kind == "block":
            if not is_lambda_body(tokens, partner, end + 1):
                break
            end = partner[end + 1]
            continue
        if text in OPEN:
            end = partner[end + 1]
            continue
        end += 1
    return start, end


def is_lambda_body(tokens, partner, i):
    """Whether block `i` is what a lambda runs: back over types and parameters to its "]"."""
    i -= 1
    while i >= 0:
        text = tokens[i].text
        if text == "]" and tokens[partner[i]].kind == "lambda":
            return True
        if text in (")", "]", "]]"):
            i = partner[i]
            before = tokens[i - 1].text if i else ";"
            if text == ")" and before in ("if", "while", "for", "switch", "catch"):
                return False
        elif text in (";", "{", "}", "=", ",", "("):
            return False
        i -= 1
    return False


def initialises_variable(tokens, start, i):
    """Whether the braces `i` belong to the declaration that the statement at `start` is."""
    words = [t.text for t in tokens[start:i]]
    if len(words) < 2 or not re.match(r"[A-Za-z_]\w*$", words[-1]):
        return False
    if any(w in BEFORE_EXPRESSION or w in ("=", "(", ".", "->", "+", "-") for w in words):
        return False
    return bool(re.match(r"[A-Za-z_]\w*$|[>&*]$", words[-2]))


def findings(source):
    tokens = tokenize(without_directives(source))
    partner = match_brackets(tokens)
    classify(tokens, partner)
    lines = set()
    for i, token in enumerate(tokens):
        if token.text != "co_await":
            continue
        start, end = expression_around(tokens, partner, i)
        j = start
        while j <= end:
            inner = tokens[j]
            if inner.text == "[" and inner.kind == "lambda":
                lines.add(inner.line)
            elif inner.text == "{" and inner.kind == "braces":
                if not initialises_variable(tokens, start, j):
                    lines.add(inner.line)
            elif inner.text == "{" and inner.kind == "block":
                # The body of a lambda is made of statements of its own.
                j = partner[j]
            j += 1
    return sorted(lines)


def sources(arguments):
    for argument in arguments:
        path = pathlib.Path(argument)
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in (".hpp", ".cpp", ".ipp"))
        else:
            yield path


def main(arguments):
    expect = arguments[:1] == ["--expect"]
    paths = list(sources(arguments[1:] if expect else arguments))
    if not paths:
        print("no source files", file=sys.stderr)
        return 2
    failed = False
    for path in paths:
        text = path.read_text(encoding="utf-8")
        found = findings(text)
        if expect:
            lines = text.splitlines()
            wanted = [n for n, line in enumerate(lines, 1) if line.rstrip().endswith("// bad")]
            for n in sorted(set(wanted) - set(found)):
                print(f"{path}:{n}: not found: {lines[n - 1].strip()}")
            for n in sorted(set(found) - set(wanted)):
                print(f"{path}:{n}: found, but it is good: {lines[n - 1].strip()}")
            failed |= wanted != found
        else:
            for n in found:
                print(f"{path}:{n}: lambda or braced temporary in a co_await expression")
            failed |= bool(found)
    print(f"{len(paths)} files looked at")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
