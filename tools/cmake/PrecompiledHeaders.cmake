# With CONVMIXER_PRECOMPILED_HEADERS, what most sources include is compiled once for each kind of target: a build from
# nothing, as in continuous integration, takes much less time. Without it a file that forgets an include doesn't compile. Sources
# with options of their own go without: g++ would take the headers' options.
set(precompiled_headers
    <algorithm> <array> <charconv> <cmath> <cstdint> <filesystem> <fmt/format.h> <functional> <limits> <map> <memory> <optional>
    <span> <string> <string_view> <utility> <variant> <vector>)
set(precompiled_test_headers ${precompiled_headers} <gmock/gmock.h> <gtest/gtest.h> <set> <sstream>)

# Most of nlohmann/json's templates are compiled once, too: targets that link convmixer-json-templates find a header in place
# of its own (json_templates/nlohmann/json.hpp). The archive that is installed has them as well. Not in precompiled headers:
# whatever includes json.hpp instantiates what its literals need, half a second for each source.
if(CONVMIXER_PRECOMPILED_HEADERS)
  set(json_templates ${CMAKE_CURRENT_LIST_DIR}/json_templates)
  add_library(convmixer-json-objects OBJECT ${json_templates}/json_templates.cpp)
  target_include_directories(convmixer-json-objects PRIVATE ${json_templates})
  target_link_libraries(convmixer-json-objects PRIVATE nlohmann_json::nlohmann_json convmixer-flags)
  set_target_properties(convmixer-json-objects PROPERTIES CONVMIXER_ADDRESSES_ALONE ON) # it isn't ours
  target_compile_options(convmixer-json-objects PRIVATE $<$<CONFIG:Release>:-O1>)
  set(json_objects $<TARGET_OBJECTS:convmixer-json-objects>)
  add_library(convmixer-json-templates STATIC ${json_objects})
  set_target_properties(convmixer-json-templates PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(convmixer-json-templates INTERFACE ${json_templates})
  target_link_libraries(convmixer-json-templates PUBLIC nlohmann_json::nlohmann_json)
else()
  add_library(convmixer-json-templates ALIAS nlohmann_json::nlohmann_json)
endif()

# convmixer_precompile_headers(TARGET header...)
function(convmixer_precompile_headers target)
  if(CONVMIXER_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    # g++ 12 then takes the standard library's own code for ours, and warns of lengths that can't be.
    target_compile_options(
      ${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-error=stringop-overflow -Wno-error=stringop-overread -Wno-error=array-bounds>)
  endif()
endfunction()

# convmixer_skip_headers(TARGET): the sources that it has so far, those with options of their own.
function(convmixer_skip_headers target)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    get_source_file_property(options ${source} TARGET_DIRECTORY ${target} COMPILE_OPTIONS)
    if(options)
      set_source_files_properties(${source} TARGET_DIRECTORY ${target} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
endfunction()

# convmixer_reuse_headers(TARGET OTHER): those of another target that is compiled with the same options.
function(convmixer_reuse_headers target other)
  if(CONVMIXER_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} REUSE_FROM ${other})
    target_compile_options(
      ${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-error=stringop-overflow -Wno-error=stringop-overread -Wno-error=array-bounds>)
  endif()
endfunction()
