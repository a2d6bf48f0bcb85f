#include "base/xml.h"

#include <doctest/doctest.h>

using namespace tarn;

TEST_CASE("elements, text, references, CDATA, namespaces and comments") {
  auto x = parse_xml("<?xml version='1.0'?><!-- c --><a:List xmlns:a=\"u>v\"><Key>x &amp; &#xe9;&#60;</Key><E/><C><![CDATA[<b>]]></C></a:List>\n");
  REQUIRE(x);
  CHECK(x->name == "List");
  CHECK(x->text_of("Key") == "x & \xC3\xA9<");
  CHECK(x->find("E"));
  CHECK(x->text_of("C") == "<b>");
  CHECK(x->text_of("nothing") == "");
}

TEST_CASE("what is not well-formed is nothing") {
  for (auto bad : {"", "<a>", "<a>&x;</a>", "<a><b></a", "text", "<a></b>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a/><b/>", "<a>&#0;</a>", "<a", "<a b></a>",
                   "<a b=c></a>", "<>x</>", "<a>\xff</a>", "<a>&#xD800;</a>"}) {
    CHECK_MESSAGE(!parse_xml(bad), bad);
  }
}

TEST_CASE("depth and number of elements are bounded") {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  CHECK_FALSE(parse_xml(deep));
  CHECK(parse_xml("<a><b/><c/></a>", 3));
  CHECK_FALSE(parse_xml("<a><b/><c/></a>", 2));
}

TEST_CASE("what is escaped comes back") {
  for (std::string text : {"<&>\"'", "\x01", "a\r\nb\tc", "\xE2\x82\xAC"}) CHECK(parse_xml("<a>" + xml_escape(text) + "</a>")->text == text);
  CHECK(xml_element("Name", "a<b") == "<Name>a&lt;b</Name>");
  CHECK(fits_xml("a\nb"));
  CHECK_FALSE(fits_xml("a\x01"));
  CHECK_FALSE(fits_xml("\xEF\xBF\xBE"));
}
