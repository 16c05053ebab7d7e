# Manual pages and bash's completion, which the tool itself makes of its tables of commands and options.
find_program(GZIP gzip REQUIRED)
set(documents ${PROJECT_BINARY_DIR}/documents)
set(manual_pages ${documents}/man1)
set(completion ${documents}/convmixer)
# Where the build itself runs under a debugger or without ptrace, the leak sanitizer would be a failure of its own.
set(tool ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:convmixer>)
add_custom_command(
  OUTPUT ${completion}
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${documents}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${manual_pages}
  COMMAND ${tool} help --man ${manual_pages}
  COMMAND ${GZIP} -9nr ${manual_pages}
  COMMAND ${tool} help --completion > ${completion}
  DEPENDS convmixer
  COMMENT "Making manual pages and completion"
  VERBATIM)
add_custom_target(convmixer-documents ALL DEPENDS ${completion})
