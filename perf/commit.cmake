# Run at each build, as the commit may be another since configuring: cmake -DSOURCE=... -DBINARY=... -P commit.cmake
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=* OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
configure_file(${SOURCE}/perf/commit.hpp.in ${BINARY}/commit.hpp @ONLY)
