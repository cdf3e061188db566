#!/usr/bin/env python3
"""Writes the manual page pollux(1) from the output of `pollux --experimental-dump-help`.

    pollux --experimental-dump-help | scripts/write-man-page.py VERSION DATE > pollux.1
"""
import json
import sys


def escaped(text):
    """Text that roff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def paragraphs(text):
    """Paragraphs of a discussion. Indented lines, as of examples, keep their form."""
    lines, verbatim = [], False
    for line in text.strip("\n").split("\n"):
        indented = line.startswith("  ")
        if indented != verbatim:
            lines.append(".RS 4\n.EX" if indented else ".EE\n.RE")
            verbatim = indented
        lines.append(escaped(line[2:] if indented else line) if line.strip() else ".PP")
    return "\n".join(lines + [".EE\n.RE"] * verbatim)


def names(argument):
    """`-d, --data name=text`, in bold and italics."""
    if argument["kind"] == "positional":
        return f"\\fI{escaped(argument['valueName'])}\\fR"
    dashes = {"short": "-", "long": "--", "longWithSingleDash": "-"}
    spelled = [f"\\fB{escaped(dashes[name['kind']] + name['name'])}\\fR" for name in argument["names"]]
    value = "" if argument["kind"] == "flag" else f" \\fI{escaped(argument['valueName'])}\\fR"
    return ", ".join(spelled) + value


def shown(command, key):
    return [entry for entry in command.get(key, []) if entry["shouldDisplay"]]


def synopsis(path, command):
    words = [f"\\fB{escaped(' '.join(path))}\\fR"]
    for argument in shown(command, "arguments"):
        if argument["kind"] != "positional":
            continue
        text = names(argument) + (" ..." if argument["isRepeating"] else "")
        words.append(f"[{text}]" if argument["isOptional"] else text)
    if any(argument["kind"] != "positional" for argument in shown(command, "arguments")):
        words.append("[\\fIoptions\\fR]")
    if shown(command, "subcommands"):
        words.append("\\fIcommand\\fR")
    return " ".join(words)


def section(path, command):
    """The command and those below it."""
    lines = [f'.SS "{escaped(" ".join(path))}"', synopsis(path, command), ".PP", escaped(command.get("abstract", ""))]
    if command.get("discussion"):
        lines += [".PP", paragraphs(command["discussion"])]
    for argument in shown(command, "arguments"):
        words = [argument.get("abstract", "")]
        if argument.get("defaultValue"):
            words.append(f"(default: {argument['defaultValue']})")
        lines += [".TP", names(argument), escaped(" ".join(filter(None, words))) or "\\&"]
    for below in shown(command, "subcommands"):
        lines += section(path + [below["commandName"]], below)
    return lines


def page(root, version, date):
    description, _, codes = root["discussion"].partition("Exit codes:")
    lines = [
        f'.TH POLLUX 1 "{date}" "pollux {version}" "User Commands"',
        ".SH NAME", "pollux \\- submits generation tasks once and tracks them until they end",
        ".SH SYNOPSIS", "\\fBpollux\\fR \\fIcommand\\fR [\\fIoptions\\fR] ...",
        ".SH DESCRIPTION", paragraphs(description),
        ".SH COMMANDS",
    ]
    for command in shown(root, "subcommands"):
        lines += section(["pollux", command["commandName"]], command)
    lines += [".SH EXIT STATUS", escaped(" ".join(codes.split()))]
    lines += [".SH FILES"]
    for path, what in [
        ("/etc/pollux/pollux.yaml", "settings of the system's daemon"),
        ("/var/lib/pollux", "its database and the files of results"),
        ("/run/pollux/pollux.sock", "its socket, for members of the group pollux"),
        ("~/.config/pollux/pollux.yaml", "settings of a user's daemon"),
        ("~/.local/state/pollux", "its database and the files of results"),
        ("$XDG_RUNTIME_DIR/pollux/pollux.sock", "its socket"),
    ]:
        lines += [".TP", f"\\fI{escaped(path)}\\fR", escaped(what)]
    lines += [".SH SEE ALSO", escaped("/usr/share/doc/pollux/README.md and docs/ beside it, systemctl(1)")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)["command"], *sys.argv[1:3]))
