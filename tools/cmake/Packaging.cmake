# `cpack -G DEB` in the build folder makes Debian packages of the installed components: convmixer, libconvmixer-dev, where MPI
# was found convmixer-mpi, and with BUILD_SHARED_LIBS libconvmixer0.1, on which the first two then depend. Needs dpkg-dev and
# file.
#
# What the tool and the library depend on is read from what they link, by dpkg-shlibdeps. What libconvmixer-dev depends on are
# the packages that convmixer-config.cmake and convmixer.pc look for.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME convmixer)
set(CPACK_PACKAGE_CONTACT "convmixer maintainers <maintainers@convmixer.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # or it would be the first line of each package's own
set(about "ConvMixers are small networks of convolutions that classify images.
convmixer trains them on CPUs, with oneDNN and hand-written kernels, and uses
what was trained.")

set(CPACK_COMPONENTS_ALL tool development)
set(CPACK_DEBIAN_TOOL_PACKAGE_NAME convmixer)
set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION science)
set(CPACK_DEBIAN_TOOL_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_TOOL_DESCRIPTION "train ConvMixers and other image classifiers on CPUs, and use them\n${about}")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libconvmixer-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "library of convmixer: files for development\n${about}
.
This package has the library's headers, its CMake package and its pkg-config
file.")
set(development_depends libfmt-dev)

if(CONVMIXER_MPI)
  list(APPEND CPACK_COMPONENTS_ALL mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_NAME convmixer-mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_MPI_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_MPI_PACKAGE_RECOMMENDS openmpi-bin) # which has the mpirun
  if(MPI_CXX_LIB_NAMES MATCHES mpich)
    set(CPACK_DEBIAN_MPI_PACKAGE_RECOMMENDS mpich)
  endif()
  set(CPACK_COMPONENT_MPI_DESCRIPTION
      "several processes of convmixer that train together\n${about}\n.\nThis package has the plug-in by which they exchange sums, with MPI.")
endif()

if(BUILD_SHARED_LIBS)
  get_target_property(soversion convmixer-shared SOVERSION)
  list(APPEND CPACK_COMPONENTS_ALL library)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libconvmixer${soversion})
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
  set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "library of convmixer\n${about}\n.\nThis package has the shared library.")
  # What others that link it depend on; and that the linker's cache is made anew, as Debian's policy wants it said.
  set(control ${PROJECT_BINARY_DIR}/debian)
  file(WRITE ${control}/shlibs "libconvmixer ${soversion} libconvmixer${soversion} (>= ${PROJECT_VERSION})\n")
  file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${control}/shlibs ${control}/triggers)
  # dpkg-shlibdeps must find the library, which no installed package has, to see what else the tool needs.
  get_target_property(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS convmixer-shared BINARY_DIR)
  set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
  set(CPACK_COMPONENT_TOOL_DEPENDS library)
  set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS library)
else()
  list(APPEND development_depends libarchive-dev libboost-program-options-dev libdnnl-dev libhwy-dev libjpeg62-turbo-dev
       libpng-dev libtbb-dev libxxhash-dev ocl-icd-opencl-dev zlib1g-dev)
endif()
list(JOIN development_depends ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)

# Debian's documents, for each package in a folder of its name.
find_program(GZIP gzip REQUIRED)
set(changelog ${PROJECT_BINARY_DIR}/changelog.gz)
execute_process(COMMAND ${GZIP} -9nc ${PROJECT_SOURCE_DIR}/tools/debian/changelog OUTPUT_FILE ${changelog}
                COMMAND_ERROR_IS_FATAL ANY)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tools/debian/changelog)
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  install(FILES ${PROJECT_SOURCE_DIR}/tools/debian/copyright ${changelog}
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME} COMPONENT ${component})
endforeach()

include(CPack)
