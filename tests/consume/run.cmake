# Installs the build into a folder of its own, and builds and runs a project that knows nothing else of it.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()

set(prefix ${BUILD}/consume/prefix)
file(REMOVE_RECURSE ${BUILD}/consume)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD}/consume/build -G Ninja -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}")
run(${CMAKE_COMMAND} --build ${BUILD}/consume/build)
run(${BUILD}/consume/build/consume)
if(PROGRAM)
  run(${prefix}/bin/fringe --version)
endif()
