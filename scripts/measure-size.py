#!/usr/bin/env python3
"""Prints two tables in Markdown: the sections of a binary, and the parts of it that its symbols belong to.

    scripts/measure-size.py BINARY      needs binutils
"""
import collections
import os
import re
import subprocess
import sys

# What a section holds, by the beginning of its name; those that a stripped binary lacks are left out.
SECTIONS = [
    (".text", "machine code"),
    (".rodata", "constants, among them ICU's data"),
    (".eh_frame", "tables for unwinding the stack"),
    (".gcc_except_table", "tables for exceptions of C++"),
    ((".dynsym", ".dynstr", ".gnu.hash", ".gnu.version", ".hash"), "symbols for the dynamic linker"),
    ((".rela", ".relr.dyn"), "relocations"),
    (("swift5", ".swift5"), "metadata of Swift's types"),
    ((".data", ".init_array", ".fini_array", ".got"), "variables and pointers"),
    ("", "everything else"),
]
STRIPPED = (".debug", ".symtab", ".strtab", ".swift_ast", ".swift_modhash", ".comment", ".bss", ".tbss")

RUNTIME = "Swift's standard library and runtime"

# The part that a symbol of C or C++ belongs to, by its beginning. The first match counts.
SYMBOLS = [
    ("ICU's data", r"\w*icudt\w*"),
    ("ICU's code", r"_ZNK?\d*(\d+swift_)?(6icu|3icu)|\w*icu(_swift)?_?\d\d|_ZN\w*6icu_|u(char|loc|cnv|dat|cal|col|num|norm|scr|set|str|text|brk|bidi|reg|trans|idna|res|enum|data|hash|props|case|curr|fmt|lst|plural|spoof|tzone)[a-z]*_|_ZL\d+(props|uc_props|ubidi|ucase|norm2|unames)"),
    ("BoringSSL of swift-crypto", r"_?CCryptoBoringSSL|_ZNK?\w*CCryptoBoringSSL"),
    ("BoringSSL of swift-nio-ssl", r"_?CNIOBoringSSL|_ZNK?\w*(CNIOBoringSSL|bssl)|_ZNK?5mldsa|_ZL\d+ecp_nistz|_ZN12_GLOBAL__N_14fips"),
    ("Foundation", r"_?_?_?k?CF[A-Z_]|_CF|__NS|OBJC_CLASS"),
    (RUNTIME, r"_?swift_|_?_?_?swift_stdlib|_ZL?\d*_swift_stdlib|_ZNK?5swift|_ZNK?\w*5swift|_?dispatch_|_ZN12_GLOBAL__N_1\d+(Remangler|swift)|_swift"),
    ("Pollux", r"pollux_|openapi_json|xhuoapi_yaml|dashboard_"),
]

MODULES = {
    "Foundation": ["Foundation", "FoundationEssentials", "FoundationInternationalization", "FoundationNetworking", "_FoundationCollections", "_FoundationICU", "FoundationXML"],
    RUNTIME: ["Swift", "_Concurrency", "_StringProcessing", "_RegexParser", "Synchronization", "Dispatch", "_Builtin_float", "Glibc", "SwiftGlibc", "Distributed", "Observation"],
    "SwiftNIO": ["NIOCore", "NIOPosix", "NIO", "NIOHTTP1", "NIOHTTP2", "NIOHPACK", "NIOSSL", "NIOTLS", "NIOConcurrencyHelpers", "NIOFoundationCompat", "NIOExtras", "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOHTTPTypesHTTP2", "NIOHTTPCompression", "NIOSOCKS", "_NIOBase64", "_NIODataStructures", "NIOEmbedded", "NIOTransportServices", "_NIOFileSystem", "NIOFileSystem"],
    "Hummingbird": ["Hummingbird", "HummingbirdCore", "HummingbirdTLS", "Configuration"],
    "AsyncHTTPClient": ["AsyncHTTPClient"],
    "GRDB": ["GRDB"],
    "Yams": ["Yams"],
    "ArgumentParser": ["ArgumentParser", "ArgumentParserToolInfo"],
    "swift-crypto and certificates": ["Crypto", "CryptoBoringWrapper", "_CryptoExtras", "CryptoExtras", "X509", "SwiftASN1", "Crypto_"],
}

def own_modules():
    """The rooms of this package."""
    place = os.path.join(os.path.dirname(__file__), "..", "Sources")
    return set(os.listdir(place)) | {"SQLiteMigrations"}


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def sections(binary):
    sizes = collections.Counter()
    for line in lines("size", "-A", "-d", binary):
        words = line.split()
        if len(words) != 3 or not words[1].isdigit() or words[0].startswith(STRIPPED) or words[0] == "section":
            continue
        sizes[next(what for names, what in SECTIONS if words[0].startswith(names))] += int(words[1])
    return sizes


def part(name, own):
    for what, pattern in SYMBOLS:
        if re.match(pattern, name):
            return what
    # A mangled name begins with its module, except for those of the standard library and what was specialised from it.
    module = re.match(r"\$[sS](\d+)", name)
    if module:
        found = name[module.end():module.end() + int(module.group(1))]
        if found in own:
            return "Pollux"
        return next((what for what, names in MODULES.items() if found in names), "other libraries in Swift")
    if name.startswith(("$s", "$S")):
        return RUNTIME
    return "other code in C and C++"


def symbols(binary):
    own, sizes, seen = own_modules(), collections.Counter(), set()
    for line in lines("nm", "-S", "--defined-only", binary):
        words = line.split(maxsplit=3)
        # Variables without contents take no room in the file, and equal addresses are one thing under several names.
        if len(words) != 4 or words[2] in "bBnN" or words[0] in seen:
            continue
        seen.add(words[0])
        sizes[part(words[3], own)] += int(words[1], 16)
    return sizes


def table(title, sizes, total):
    print(f"| {title} | MiB |\n|---|--:|")
    for what, size in sizes.most_common():
        print(f"| {what} | {size / 2**20:.1f} |")
    print(f"| in all | {total / 2**20:.1f} |\n")


if __name__ == "__main__":
    found = sections(sys.argv[1])
    table("sections", found, sum(found.values()))
    found = symbols(sys.argv[1])
    table("parts, by symbols", found, sum(found.values()))
