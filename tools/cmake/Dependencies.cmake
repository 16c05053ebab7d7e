# Every library the project links, and the Debian package that brings it (tools/install-deps.sh installs them).
find_package(Threads REQUIRED)
find_package(dnnl CONFIG REQUIRED)                                   # libdnnl-dev; it looks for ocl-icd-opencl-dev
if(dnnl_VERSION VERSION_LESS 2.6)                                    # 2.6 on Debian 12, 3.7 on Debian 13
  message(FATAL_ERROR "oneDNN ${dnnl_VERSION} found, expected 2.6 or newer")
endif()
find_package(TBB 2021.5 CONFIG REQUIRED)                             # libtbb-dev
find_package(hwy 1.0 CONFIG REQUIRED)                                # libhwy-dev
find_package(fmt 9 CONFIG REQUIRED)                                  # libfmt-dev
find_package(Boost 1.74 CONFIG REQUIRED COMPONENTS program_options)  # libboost-program-options-dev; libboost-dev: Beast
find_package(nlohmann_json 3.11 CONFIG REQUIRED)                     # nlohmann-json3-dev
find_package(LibArchive 3.4 REQUIRED)                                # libarchive-dev
find_package(ZLIB 1.2.13 REQUIRED)                                   # zlib1g-dev
find_package(PNG 1.6 REQUIRED)                                       # libpng-dev
find_package(JPEG REQUIRED)                                          # libjpeg62-turbo-dev
# libxxhash-dev, which has no CMake files: linked by its name, so that an installed convmixer names no path of this machine.
find_library(XXHASH_LIBRARY xxhash REQUIRED)
find_file(DYGRAPHS_SCRIPT dygraph.min.js PATHS /usr/share/javascript/dygraphs REQUIRED) # libjs-dygraphs
set(MPI_CXX_SKIP_MPICXX ON) # its C++ bindings, which MPI 3 has no more
if(CONVMIXER_MPI STREQUAL "AUTO")
  find_package(MPI 3.0 COMPONENTS CXX)                               # libopenmpi-dev
  set(CONVMIXER_MPI ${MPI_CXX_FOUND})
elseif(CONVMIXER_MPI)
  find_package(MPI 3.0 REQUIRED COMPONENTS CXX)
endif()
if(CONVMIXER_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)                                  # libgtest-dev, libgmock-dev
endif()
if(CONVMIXER_BUILD_PERF)
  find_package(benchmark 1.7 CONFIG REQUIRED)                        # libbenchmark-dev
endif()
if(CONVMIXER_ITT)
  # No package of Debian's. VTune brings it, in its folder or in sdk/ there; https://github.com/intel/ittapi has its source.
  set(vtune HINTS ENV VTUNE_PROFILER_DIR PATHS /opt/intel/oneapi/vtune/latest)
  find_path(ITTNOTIFY_INCLUDE_DIR ittnotify.h ${vtune} PATH_SUFFIXES sdk/include include)
  find_library(ITTNOTIFY_LIBRARY ittnotify ${vtune} PATH_SUFFIXES sdk/lib64 lib64)
  if(NOT ITTNOTIFY_INCLUDE_DIR OR NOT ITTNOTIFY_LIBRARY)
    message(WARNING "CONVMIXER_ITT: ittnotify.h and libittnotify.a not found: this build has no task marks for VTune. "
                    "Expected in VTune's folder (run its vtune-vars.sh first) or in a folder of CMAKE_PREFIX_PATH")
    set(CONVMIXER_ITT OFF)
  endif()
endif()
