# cmake -DSOURCES=folder -DDYGRAPHS=dygraph.min.js -DOUTPUT=file.cpp -P EmbedRunPage.cmake
# Puts the page of runs together, style, scripts and dygraphs in one text, and writes a C++ source that holds it. What is
# left to fill in are @CONNECT@ and @DOCUMENT@ (run_page.cpp). Its Content-Security-Policy names style and script by
# their SHA-256: a browser runs no other.
cmake_minimum_required(VERSION 3.25)

set(scripts dom format curves chart runs_table results sections theme page live) # in the order in which they use each other

# SHA-256 of a text in base64, three hexadecimal digits (12 bits) to two characters.
function(content_hash text result)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  string(APPEND hex 00)
  set(base64 "")
  foreach(place RANGE 0 63 3)
    string(SUBSTRING ${hex} ${place} 3 digits)
    math(EXPR high "0x${digits} >> 6")
    math(EXPR low "0x${digits} & 63")
    string(SUBSTRING ${alphabet} ${high} 1 first)
    string(SUBSTRING ${alphabet} ${low} 1 second)
    string(APPEND base64 ${first}${second})
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64)
  set(${result} "'sha256-${base64}='" PARENT_SCOPE)
endfunction()

file(READ ${DYGRAPHS} dygraphs)
string(REGEX REPLACE "//# sourceMappingURL=[^\n]*\n?" "" dygraphs "${dygraphs}") # a file that isn't there
string(REPLACE "µ" "\\u00b5" dygraphs "${dygraphs}")
set(own "")
foreach(name IN LISTS scripts)
  file(READ ${SOURCES}/${name}.js text)
  string(APPEND own "${text}")
endforeach()
set(script "${dygraphs}\n(() => {\n'use strict';\n${own}})();\n")
string(FIND "${script}" "</script" end)
if(NOT end EQUAL -1)
  message(FATAL_ERROR "the page's scripts have a '</script', which would end them")
endif()
file(READ ${SOURCES}/page.css style)
file(READ ${SOURCES}/dygraphs-licence.txt licence)
string(REPLACE "<" "&lt;" licence "${licence}")
file(READ ${SOURCES}/page.html page)

content_hash("${script}" script_hash)
content_hash("${style}" style_hash)
set(policy "default-src 'none'; script-src ${script_hash}; style-src ${style_hash}; img-src data:; base-uri 'none'; form-action 'none'@CONNECT@")
string(REPLACE "@POLICY@" "${policy}" page "${page}")
string(REPLACE "@LICENCE@" "${licence}" page "${page}")
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")

string(REGEX MATCH "[^\t\n -~]" foreign "${page}")
if(NOT foreign STREQUAL "")
  message(FATAL_ERROR "the page's files are ASCII; found '${foreign}'")
endif()
set(pieces "") # as short as every compiler takes literals
string(LENGTH "${page}" length)
set(place 0)
while(place LESS length)
  string(SUBSTRING "${page}" ${place} 12000 piece)
  string(APPEND pieces "    R\"page-of-runs(${piece})page-of-runs\",\n")
  math(EXPR place "${place} + 12000")
endwhile()
file(WRITE ${OUTPUT} "// Made by EmbedRunPage.cmake.
#include \"run_page_text.hpp\"

#include <array>

namespace convmixer::tool {
namespace {

constexpr auto kPieces = std::to_array<std::string_view>({
${pieces}});

}  // namespace

std::span<const std::string_view> run_page_text() { return kPieces; }

}  // namespace convmixer::tool
")
