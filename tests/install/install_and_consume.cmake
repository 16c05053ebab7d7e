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
foreach(file IN ITEMS bin/convmixer share/convmixer/configs/quickstart.ini)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${prefix}/${file} was not installed")
  endif()
endforeach()
