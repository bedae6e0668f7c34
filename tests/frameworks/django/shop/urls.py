from django.contrib.auth import views as auth
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.LogIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("account/", views.account, name="account"),
    path("stream/", views.stream, name="stream"),
    path("upload/", views.upload, name="upload"),
    path("away/", views.away, name="away"),
    path("old/", views.old, name="old"),
    path("api/goods/", views.goods, name="goods"),
    path("api/whoami/", views.whoami, name="whoami"),
]
