# Installs both components below WORK_DIR and builds and runs a project that knows only that prefix.
set(prefix ${WORK_DIR}/prefix)
set(build ${WORK_DIR}/build)
file(REMOVE_RECURSE ${prefix} ${build})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
run(${CMAKE_COMMAND} -G ${GENERATOR} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${build} -D
    CMAKE_CXX_COMPILER=${CXX_COMPILER} -D CMAKE_PREFIX_PATH=${prefix} -D EXPECTED_VERSION=${VERSION})
run(${CMAKE_COMMAND} --build ${build})
run(${build}/consumer)
run(${build}/train_minimal WORKING_DIRECTORY ${build})
run(${prefix}/bin/convmixer --help)

# The same through pkg-config, by a compiler that was told of nothing but what it says.
find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBRARY_FOLDER}/pkgconfig)
  set(ENV{LD_LIBRARY_PATH} ${prefix}/${LIBRARY_FOLDER})
  run(${PKG_CONFIG} --exact-version=${VERSION} convmixer)
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs convmixer OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX_COMPILER} -std=c++20 ${CMAKE_CURRENT_LIST_DIR}/consumer/main.cpp -o ${build}/by_pkg_config ${flags})
  run(${build}/by_pkg_config)
else()
  message(STATUS "pkg-config not found: its file wasn't tried")
endif()

foreach(file IN ITEMS bin/convmixer share/convmixer/configs/quickstart.ini)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${prefix}/${file} was not installed")
  endif()
endforeach()
