# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Read by tools/check: is what "meson install" leaves behind all that somebody else's program needs?

prefix=$out/prefix
export_dir=$out/package

install_package() {
	rm -rf "$prefix" "$export_dir" "$out/install"
	mkdir -p "$export_dir"
	# As a distribution would: warnings differ with the optimisation, so they are errors here too.
	meson setup "$out/install" --prefix "$prefix" --libdir lib --buildtype release -Dtests=false || return
	meson install -C "$out/install" --quiet
}

# Each header alone: nothing that it needs may come in by way of another one.
header_compiles() { # COMPILER OPTION...
	local header
	for header in "$prefix"/include/unapi/*.h; do
		"$@" -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" -include "$header" /dev/null || return
	done
}

# Whatever the library exports must be declared in a public header.
exports_only_declared() {
	local symbol declared=true
	nm -D --defined-only "$prefix/lib/libunapi.so" | awk '$2 ~ /[TDBR]/ { sub(/@.*/, "", $3); print $3 }' |
		sort -u >"$export_dir/symbols"
	[ -s "$export_dir/symbols" ] || { echo "the library exports nothing" && return 1; }
	while read -r symbol; do
		grep -qrw "$symbol" "$prefix/include/unapi" || { echo "exported but not declared: $symbol" && declared=false; }
	done <"$export_dir/symbols"
	$declared
}

examples_from_pkgconfig() {
	local example flags
	flags=$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs unapi) || return
	for example in apps/examples/*.c; do
		# The flags are words, to be split.
		# shellcheck disable=SC2086
		gcc -std=gnu11 -Wall -Werror -o "$export_dir/$(basename "$example" .c)" "$example" $flags \
			-Wl,-rpath,"$prefix/lib" || return
	done
}

# A parent project that has this checkout among its subprojects and builds the examples as its own programs.
examples_as_subproject() {
	local parent=$out/parent example
	rm -rf "$parent"
	mkdir -p "$parent/subprojects"
	ln -s "$PWD" "$parent/subprojects/unapi"
	{
		echo "project('parent', 'c', default_options: ['c_std=gnu11'])"
		echo "unapi = dependency('unapi', fallback: 'unapi', default_options: ['tests=false'])"
		for example in apps/examples/*.c; do
			cp "$example" "$parent"
			echo "executable('$(basename "$example" .c)', '$(basename "$example")', dependencies: unapi)"
		done
	} >"$parent/meson.build"
	meson setup "$parent/build" "$parent" --wrap-mode forcefallback && meson compile -C "$parent/build"
}

if try package install install_package; then
	try package "headers alone, C11" header_compiles gcc -std=c11 -x c
	try package "headers alone, C++" header_compiles clang -std=c++11 -x c++
	try package "exported symbols" exports_only_declared
	try package "examples from pkg-config" examples_from_pkgconfig
	try package "examples as a subproject" examples_as_subproject
fi
