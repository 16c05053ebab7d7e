# Two installed components: `tool` (the program and its configurations) and `development` (the library and its CMake
# package: find_package(convmixer) gives convmixer::convmixer).
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/convmixer)

install(TARGETS convmixer RUNTIME COMPONENT tool)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/convmixer/configs COMPONENT tool)

install(TARGETS convmixer-library EXPORT convmixer-targets ARCHIVE COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/convmixer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT convmixer-targets NAMESPACE convmixer:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/tools/cmake/convmixer-config.cmake.in
                              ${PROJECT_BINARY_DIR}/convmixer-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/convmixer-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/convmixer-config.cmake ${PROJECT_BINARY_DIR}/convmixer-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)
