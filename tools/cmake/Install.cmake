# Three installed components: `tool` (the program, its configurations, manual pages and completion), `library` (the shared
# library, where BUILD_SHARED_LIBS asks for one) and `development` (headers, the archive or the link to the shared library;
# a CMake package, so that find_package(convmixer) gives convmixer::convmixer, and a pkg-config file).
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/convmixer)

install(TARGETS convmixer RUNTIME COMPONENT tool)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/convmixer/configs COMPONENT tool)
if(CONVMIXER_MPI)
  install(TARGETS convmixer-mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/convmixer COMPONENT mpi)
endif()
install(DIRECTORY ${manual_pages} DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT tool)
install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tool)

if(BUILD_SHARED_LIBS)
  install(TARGETS convmixer-shared EXPORT convmixer-targets LIBRARY COMPONENT library NAMELINK_COMPONENT development)
  # An installed tool finds its library beside it, wherever the two are put; where the system looks anyway it needs no help,
  # and distributions allow none.
  set_target_properties(convmixer PROPERTIES INSTALL_RPATH $ORIGIN/../${CMAKE_INSTALL_LIBDIR})
  install(CODE "if(CMAKE_INSTALL_PREFIX MATCHES \"^/usr(/local)?$\")
  file(RPATH_REMOVE FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/convmixer\")
endif()" COMPONENT tool)
else()
  install(TARGETS convmixer-library EXPORT convmixer-targets ARCHIVE COMPONENT development)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/convmixer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT convmixer-targets NAMESPACE convmixer:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/tools/cmake/convmixer-config.cmake.in
                              ${PROJECT_BINARY_DIR}/convmixer-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/convmixer-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/convmixer-config.cmake ${PROJECT_BINARY_DIR}/convmixer-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)

# What programs link besides. With an archive that is all that the library itself links, whether or not pkg-config is asked
# with --static: there is no other way to link it.
if(BUILD_SHARED_LIBS)
  set(pkgconfig_requires fmt)
  set(pkgconfig_libraries "")
else()
  set(pkgconfig_requires "fmt, tbb, libhwy, libarchive, zlib, libpng, libjpeg, libxxhash")
  set(pkgconfig_libraries "-ldnnl -lboost_program_options ${ITTNOTIFY_LIBRARY} -pthread -ldl")
endif()
set(prefix @CMAKE_INSTALL_PREFIX@) # which is known once it is installed
set(pkgconfig_file ${PROJECT_BINARY_DIR}/convmixer.pc)
configure_file(${PROJECT_SOURCE_DIR}/tools/cmake/convmixer.pc.in ${pkgconfig_file}.in @ONLY)
install(CODE "configure_file(\"${pkgconfig_file}.in\" \"${pkgconfig_file}\" @ONLY)" COMPONENT development)
install(FILES ${pkgconfig_file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
