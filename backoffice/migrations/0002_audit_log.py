import django.core.serializers.json
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_add_the_role_finance'),
        ('backoffice', '0001_exports'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=40)),
                ('model', models.CharField(max_length=100)),
                ('object_id', models.CharField(blank=True, max_length=40)),
                ('action', models.CharField(max_length=200)),
                ('changes', models.JSONField(default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('workspace', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.workspace')),
            ],
            options={
                'verbose_name': 'audit entry',
                'verbose_name_plural': 'audit log',
                'indexes': [models.Index(fields=['workspace', '-id'], name='audit_of_workspace'), models.Index(fields=['actor', '-id'], name='audit_of_actor'), models.Index(fields=['model', 'object_id', '-id'], name='audit_of_object'), models.Index(fields=['at'], name='audit_by_age')],
            },
        ),
    ]
