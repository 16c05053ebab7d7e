#!/usr/bin/env bash
# package_test.sh BUILD_FOLDER WORK_FOLDER: the Debian packages that cpack makes of a build: what they hold, and that they
# depend on what their programs link. Exits with 77, skipped, where there is no dpkg-dev.
set -euo pipefail

build=$1 work=$2
for tool in dpkg-shlibdeps dpkg-deb file readelf; do
  command -v "$tool" >/dev/null || { echo "$tool not found: expected Debian's dpkg-dev, file and binutils" && exit 77; }
done
rm -rf "$work" && mkdir -p "$work" && cd "$work"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work" >cpack.log 2>&1 || fail "$(tail cpack.log)"
packages=$(ls ./*.deb)
tool=$(echo ./convmixer_*_*.deb)
[[ -f $tool ]] || fail "found $packages, expected one of convmixer"
if [[ -f $build/lib/convmixer/convmixer-mpi.so && ! -f $(echo ./convmixer-mpi_*_*.deb) ]]; then
  fail "found $packages, expected one of convmixer-mpi"
fi
[[ -f $(echo ./libconvmixer-dev_*_*.deb) ]] || fail "found $packages, expected one of libconvmixer-dev"

# Everything that a program or library links is in a package that its own depends on, or in a package made here.
for package in $packages; do
  name=$(dpkg-deb --field "$package" Package)
  dpkg-deb --extract "$package" "$name"
  depends=$(dpkg-deb --field "$package" Depends)
  for file in "$name"/usr/bin/* "$name"/usr/lib/libconvmixer.so.*.*.* "$name"/usr/lib/*/libconvmixer.so.*.*.* \
    "$name"/usr/lib/*/convmixer/convmixer-mpi.so; do
    [[ -f $file ]] || continue
    ! readelf --section-headers "$file" | grep -qw '\.symtab' || fail "$file isn't stripped"
    ! readelf --dynamic "$file" | grep -E 'RPATH|RUNPATH' || fail "$file has a path of its own for libraries"
    for library in $(readelf --dynamic "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
      if [[ $library == libconvmixer.* ]]; then
        owner=libconvmixer${library#libconvmixer.so.}
      else
        owner=$(dpkg --search "*/$(dpkg-architecture --query DEB_HOST_MULTIARCH)/$library" | sed -n '1s/[:,].*//p')
      fi
      [[ " ${depends//,/ } " == *" $owner "* ]] || fail "$package: $depends, expected $owner for $library as well"
    done
  done
  for document in copyright changelog.gz; do
    [[ -f $name/usr/share/doc/$name/$document ]] || fail "$package has no $document"
  done
done

version=$(dpkg-deb --field "$tool" Version)
zcat convmixer/usr/share/doc/convmixer/changelog.gz | head -1 | grep -qF "convmixer ($version) " ||
  fail "the changelog doesn't begin with $version"
[[ -f convmixer/usr/share/convmixer/configs/quickstart.ini ]] || fail "no configurations"
[[ -f convmixer/usr/share/bash-completion/completions/convmixer ]] || fail "no completion"
for command in $("$build/bin/convmixer" help | sed -n 's/^  \([a-z]\+\)   *.*/\1/p' | grep -vx help); do
  zcat "convmixer/usr/share/man/man1/convmixer-$command.1.gz" | grep -q '^\.SH OPTIONS' || fail "no manual page of $command"
done
