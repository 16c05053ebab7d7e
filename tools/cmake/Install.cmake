# The installed package: find_package(convmixer) gives convmixer::convmixer.
include(CMakePackageConfigHelpers)
install(TARGETS convmixer convmixer-library convmixer-flags EXPORT convmixer-targets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/convmixer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/convmixer/configs)
install(EXPORT convmixer-targets NAMESPACE convmixer:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/convmixer)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/tools/cmake/convmixer-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/convmixer-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/convmixer)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/convmixer-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/convmixer-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/convmixer-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/convmixer)
