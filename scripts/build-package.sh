#!/usr/bin/env bash
# Makes the Debian package from the release binary, which it builds first, and prints where the package is.
#   scripts/build-package.sh                              .build/debian/pollux_VERSION_ARCHITECTURE.deb
#   POLLUX_BIN=.build/debug/pollux scripts/build-package.sh   from another binary
#   POLLUX_PACKAGE_VERSION=0.2.0~1 scripts/build-package.sh   with another version
#   POLLUX_PACKAGE_DIRECTORY=… scripts/build-package.sh       into another directory
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022

scripts/install-dependencies.sh
if [[ -n ${POLLUX_BIN:-} ]]; then
    binary=$POLLUX_BIN
else
    scripts/build-release.sh
    binary=$(scripts/build-release.sh --show-path)
fi
version=${POLLUX_PACKAGE_VERSION:-$("$binary" --version)}
architecture=$(dpkg --print-architecture)
# Two packages of one commit are equal.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

output=${POLLUX_PACKAGE_DIRECTORY:-$PWD/.build/debian}
mkdir -p "$output"
work=$(mktemp -d "${TMPDIR:-/tmp}/pollux-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
put() { install -D -m 644 "$1" "$root/$2"; }

# Debian strips binaries; the release binary is stripped already.
install -d "$root/usr/bin"
strip -o "$root/usr/bin/pollux" "$binary"
chmod 755 "$root/usr/bin/pollux"
for kind in system user; do
    for unit in packaging/systemd/$kind/*; do put "$unit" "usr/lib/systemd/$kind/$(basename "$unit")"; done
done
put packaging/pollux.yaml etc/pollux/pollux.yaml

mkdir -p "$root"/usr/share/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
"$binary" --experimental-dump-help | scripts/write-man-page.py "$version" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" \
    | gzip -9n >"$root/usr/share/man/man1/pollux.1.gz"
# It is read by a shell, not run.
"$binary" --generate-completion-script bash | sed '1{/^#!/d}' >"$root/usr/share/bash-completion/completions/pollux"
"$binary" --generate-completion-script zsh >"$root/usr/share/zsh/vendor-completions/_pollux"
"$binary" --generate-completion-script fish >"$root/usr/share/fish/vendor_completions.d/pollux.fish"

doc=usr/share/doc/pollux
put README.md $doc/README.md
put packaging/alerts.yml $doc/alerts.yml
for page in docs/*.md docs/reports/*.md; do put "$page" "$doc/$page"; done
gzip -9nc CHANGELOG.md >"$root/$doc/CHANGELOG.md.gz"
maintainer=$(sed -n 's/^Maintainer: //p' packaging/debian/control.in)
printf 'pollux (%s) unstable; urgency=medium\n\n  * The changes are in CHANGELOG.md.gz.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$root/$doc/changelog.gz"
put packaging/debian/lintian-overrides usr/share/lintian/overrides/pollux
# The binary contains all of these.
{
    printf 'Pollux is licensed under the Apache License 2.0: /usr/share/common-licenses/Apache-2.0\n'
    for text in .build/checkouts/*/{LICENSE,NOTICE}*; do
        [[ -f $text ]] || continue
        printf '\n\n==== %s\n\n' "${text#.build/checkouts/}"
        if grep -q 'Apache License' "$text" && grep -q 'APPENDIX: How to apply' "$text"; then
            echo 'Apache License 2.0: /usr/share/common-licenses/Apache-2.0'
            # What follows the licence, such as an exception for compiled code.
            sed '1,/limitations under the License\./d' "$text"
        else
            cat "$text"
        fi
    done
    swift=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")/share/swift/LICENSE.txt
    printf '\n\n==== Swift, with its libraries\n\n'
    sed "1,/limitations under the License\\./d" "$swift"
} >"$root/$doc/copyright"

mkdir -p "$root/DEBIAN" "$work/debian"
for script in postinst prerm postrm; do install -m 755 packaging/debian/$script "$root/DEBIAN/$script"; done
echo /etc/pollux/pollux.yaml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) \
    >"$root/DEBIAN/md5sums"
printf 'Source: pollux\n\nPackage: pollux\nArchitecture: any\nDescription: pollux\n' >"$work/debian/control"
# A debug binary needs libraries of Swift, which no package has.
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -l/opt/swift/usr/lib/swift/linux "$root/usr/bin/pollux" \
    2>"$work/shlibdeps.log" | sed -n 's/^shlibs:Depends=//p') || { cat "$work/shlibdeps.log" >&2; exit 1; }
# Packed relocations need glibc 2.36, which no symbol says.
if readelf -d "$root/usr/bin/pollux" | grep -q '(RELR)'; then
    depends=$(sed -E 's/libc6 \(>= 2\.([0-9]|[12][0-9]|3[0-5])[0-9.]*\)/libc6 (>= 2.36)/' <<<"$depends")
fi
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@DEPENDS@/$depends/" \
    packaging/debian/control.in >"$root/DEBIAN/control"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

package=$output/pollux_${version}_${architecture}.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
# The name that the Containerfile knows.
ln -sf "$(basename "$package")" "$output/pollux.deb"
echo "$package"
