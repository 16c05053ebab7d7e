#include "man_page.hpp"

#include <fmt/format.h>

#include <sstream>

namespace convmixer::tool {
namespace {

/// Text as roff reads it: no character of it is a request, and hyphens are those of the keyboard.
std::string escape(std::string_view text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins_line = i == 0 || text[i - 1] == '\n';
    if (begins_line && (text[i] == '.' || text[i] == '\'')) escaped += "\\&";
    if (text[i] == '\\') {
      escaped += "\\e";
    } else if (text[i] == '-') {
      escaped += "\\-";
    } else {
      escaped += text[i];
    }
  }
  return escaped;
}

/// The header: no date, so that one version gives one file, whenever it is built.
std::string header(const std::string& name) {
  std::string capitals;
  for (const char c : name) capitals += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return fmt::format(".TH {} 1 \"\" \"convmixer {}\" \"User Commands\"\n", escape(capitals), CONVMIXER_VERSION);
}

/// Paragraphs are filled; lines that are indented stand as they are.
std::string paragraphs(const std::string& text) {
  std::istringstream lines(text);
  std::string roff = ".PP\n";
  bool literal = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(' ') != literal) {
      literal = !literal;
      roff += literal ? ".PP\n.nf\n" : ".fi\n";
    }
    roff += line.empty() ? ".PP\n" : escape(line) + "\n";
  }
  return roff + (literal ? ".fi\n" : "");
}

std::string synopsis(const std::string& usage) {
  std::istringstream lines(usage);
  std::string roff = ".SH SYNOPSIS\n.nf\n";
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin != std::string::npos) roff += escape(line.substr(begin)) + "\n";
  }
  return roff + ".fi\n";
}

std::string options(const CommandHelp& help) {
  std::string roff = ".SH OPTIONS\n";
  for (const OptionGroupHelp& group : help.groups) {
    roff += fmt::format(".SS {}\n", escape(group.title));
    for (const OptionHelp& option : group.options) {
      const std::string initial = option.initial.empty() ? "" : fmt::format(" (={})", option.initial);
      roff += fmt::format(".TP\n\\fB{}\\fR \\fI{}\\fR{}\n{}\n", escape("--" + option.name), escape(option.value_name),
                          escape(initial), escape(option.help));
    }
  }
  return roff;
}

std::string see_also(std::span<const Command> commands, const std::string& but) {
  std::vector<std::string> pages{"convmixer"};
  for (const Command& command : commands) pages.push_back("convmixer-" + command.name);
  std::string roff = ".SH SEE ALSO\n";
  std::string separator;
  for (const std::string& page : pages) {
    if (page == but) continue;
    roff += fmt::format("{}\\fB{}\\fR(1)", separator, escape(page));
    separator = ",\n";
  }
  return roff + "\n";
}

ManPage page_of(const Command& command, std::span<const Command> commands) {
  const std::string name = "convmixer-" + command.name;
  const CommandHelp help = command.help();
  return {name, header(name) + fmt::format(".SH NAME\n{} \\- {}\n", escape(name), escape(command.summary)) +
                    synopsis(help.usage) + ".SH DESCRIPTION\n" + paragraphs(help.description) + options(help) +
                    see_also(commands, name)};
}

/// What no command says of itself.
constexpr std::string_view kEnvironment = R"(.SH ENVIRONMENT
.TP
.B OMP_NUM_THREADS\fR, \fBSLURM_CPUS_PER_TASK
The number of threads where \fB\-\-threads\fR isn't given.
.TP
.B ONEDNN_MAX_CPU_ISA
The best instruction set that oneDNN may use, as its manual names them.
.TP
.B XDG_CACHE_HOME
Where the folder
.I convmixer
of decoded images is kept; \fI~/.cache\fR if not set.
.TP
.B NO_COLOR
If set, text in a terminal has no colours.
)";

constexpr std::string_view kExitStatus = R"(.SH EXIT STATUS
.TP
.B 0
All was done.
.TP
.B 1
It failed; a line on standard error says what, and where.
.TP
.B 2
Options or configuration were wrong.
.TP
.B 128 + N
Signal N ended it. A training that was told to stop has saved its state: the same command goes on.
)";

ManPage page_of_all(std::span<const Command> commands) {
  std::string text =
      header("convmixer") +
      ".SH NAME\nconvmixer \\- train ConvMixers and other image classifiers on CPUs, and use them\n"
      ".SH SYNOPSIS\n.nf\nconvmixer COMMAND [\\-\\-option value ...]\nconvmixer help [COMMAND]\n"
      "convmixer \\-\\-version\n.fi\n"
      ".SH DESCRIPTION\n.PP\nEach command has a manual page of its own.\n"
      "\\fBconvmixer train\\fR alone learns the built\\-in data set, no files needed; with\n"
      "\\fB\\-\\-config\\fR \\fIFILE.ini\\fR it follows a configuration, each of whose keys is an option "
      "as well.\n.SH COMMANDS\n";
  for (const Command& command : commands)
    text += fmt::format(".TP\n.B {}\n{}\n", escape(command.name), escape(command.summary));
  text += ".TP\n.B help\nThe options of a command with their defaults.\n";
  text += kEnvironment;
  text += kExitStatus;
  return {"convmixer", text + see_also(commands, "convmixer")};
}

}  // namespace

std::vector<ManPage> man_pages(std::span<const Command> commands) {
  std::vector<ManPage> pages{page_of_all(commands)};
  for (const Command& command : commands) pages.push_back(page_of(command, commands));
  return pages;
}

}  // namespace convmixer::tool
