# convmixer-shared: the archive's objects as a shared library that exports what include/convmixer declares and nothing else.
#
# Visibility. Sources are compiled with everything hidden, and find each public header through a wrapper in the build
# folder that makes what it declares visible again. So no declaration needs a macro, a new header takes part by itself,
# and static builds are compiled as if none of this existed. What other libraries' templates leave behind (std, fmt) would
# still be exported; exported_symbols.map keeps to the names of ours. A test reads what is exported.
file(GLOB_RECURSE public_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
     ${PROJECT_SOURCE_DIR}/include/convmixer/*.hpp)
set(visible_headers ${PROJECT_BINARY_DIR}/visible-headers)
foreach(header IN LISTS public_headers)
  file(CONFIGURE OUTPUT ${visible_headers}/${header} CONTENT "#pragma once
#pragma GCC visibility push(default)
#include_next <${header}>
#pragma GCC visibility pop
")
endforeach()
target_include_directories(convmixer-library BEFORE PRIVATE ${visible_headers})
set_target_properties(convmixer-library PROPERTIES CXX_VISIBILITY_PRESET hidden)

# Before 1.0 every minor release may change the library's functions, as in the CMake package (SameMinorVersion).
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(soversion 0.${PROJECT_VERSION_MINOR})
else()
  set(soversion ${PROJECT_VERSION_MAJOR})
endif()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/shared.cpp "")
add_library(convmixer-shared SHARED ${CMAKE_CURRENT_BINARY_DIR}/shared.cpp)
set_target_properties(convmixer-shared PROPERTIES OUTPUT_NAME convmixer EXPORT_NAME convmixer VERSION ${PROJECT_VERSION}
                                                  SOVERSION ${soversion})
set(exported_symbols ${PROJECT_SOURCE_DIR}/tools/cmake/exported_symbols.map)
target_link_options(convmixer-shared PRIVATE LINKER:--version-script=${exported_symbols} LINKER:--as-needed)
set_target_properties(convmixer-shared PROPERTIES LINK_DEPENDS ${exported_symbols})
target_include_directories(
  convmixer-shared INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(convmixer-shared PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,convmixer-library> PUBLIC fmt::fmt)
target_compile_features(convmixer-shared PUBLIC cxx_std_20)
