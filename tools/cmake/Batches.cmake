# With CONVMIXER_BATCHES, the sources of a target are compiled eight at a time, as one: in two thirds of the time, as they
# include and instantiate much the same. What a source has for itself needs a name of its own then, or the source is compiled
# separately.

# convmixer_compile_in_batches(TARGET [BY_FOLDER]): with BY_FOLDER, only sources of one folder share a batch, and names need to
# be different in that folder alone.
function(convmixer_compile_in_batches target)
  if(NOT CONVMIXER_BATCHES)
    return()
  endif()
  set(size 8)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
  # A type that only one source knows, in a class of which the headers know the name alone: g++ takes the source for a header.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  if(ARGV1 STREQUAL "BY_FOLDER")
    set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "\\.cpp$")
    foreach(source IN LISTS sources)
      cmake_path(GET source PARENT_PATH folder)
      file(RELATIVE_PATH folder ${CMAKE_CURRENT_SOURCE_DIR} ${folder})
      string(MAKE_C_IDENTIFIER "${folder}" folder)
      math(EXPR batch "${count_${folder}} + 0")
      math(EXPR count_${folder} "${batch} + 1")
      math(EXPR batch "${batch} / ${size}")
      set_source_files_properties(${source} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${folder}_${batch})
    endforeach()
  endif()
endfunction()

# convmixer_compile_separately(TARGET source...)
function(convmixer_compile_separately target)
  set_source_files_properties(${ARGN} TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
